package hoster

import (
	"context"
	"encoding/json"
	"strconv"

	"hosterbot/bot/secret"
)

// Job is work that the provider does on its own time.
type Job struct {
	Status   string  // queued, executing, finished, failed, or a word not documented; never empty
	Progress float64 // 0..1
	Output   Output
	ErrText  string // of a failed job, with its code
}

// Output is what a finished job gave.
type Output struct {
	VM       int // 0: none
	IPs      []string
	User     string
	Password secret.Secret
	Rest     secret.Secret // what else there was; it may hold a password
}

// Job reads a job.
func (c *Client) Job(ctx context.Context, id int64) (Job, error) {
	job, err := read(ctx, c, "job", "/job/"+strconv.FormatInt(id, 10), decodeJob)
	job.Status = c.clean(job.Status)
	job.ErrText = c.clean(job.ErrText)
	return job, err
}

func decodeJob(raw json.RawMessage) (Job, error) {
	j, err := decodeObject[struct {
		Status   text            `json:"status"`
		Progress fraction        `json:"progress"`
		Output   json.RawMessage `json:"output"`
	}](raw, "status")
	if err != nil {
		return Job{}, err
	}
	job := Job{Status: string(j.Status), Progress: float64(j.Progress)}
	var message string
	if json.Unmarshal(j.Output, &message) == nil {
		code, _ := CodeOf(message)
		if job.Status == "failed" || code != "" {
			job.ErrText = message
		} else {
			job.Output.Rest = secret.New(message)
		}
		return job, nil
	}
	if job.Status == "failed" {
		job.ErrText = complaintText(j.Output)
		return job, nil
	}
	job.Output = decodeOutput(j.Output)
	return job, nil
}

// decodeOutput takes any shape: a job that has ended has ended, and its output
// must not hide that.
func decodeOutput(raw json.RawMessage) Output {
	var o Output
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		if complaintText(raw) != "" {
			o.Rest = secret.New(string(raw))
		}
		return o
	}
	take(fields, "vmid", func(n integer) { o.VM = int(n) })
	take(fields, "ips", func(ips array[text]) { o.IPs = plain(ips) })
	take(fields, "user", func(s text) { o.User = string(s) })
	take(fields, "password", func(s text) { o.Password = hidden(s) })
	if len(fields) > 0 {
		rest, _ := json.Marshal(fields)
		o.Rest = secret.New(string(rest))
	}
	return o
}

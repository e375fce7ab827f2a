package hoster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"hosterbot/bot/secret"
)

// Offer is a dedicated server on the market, with its figures in one form.
type Offer struct {
	ID                 int
	Model, Description string
	CPU                string
	CPUCount           int
	RAM                string  // such as "32 GB DDR4 ECC"
	RAMGB              int     // 0 if it cannot be read
	Storage            string  // such as "2 × 250 GB SSD"
	Price              float64 // no currency is documented
	LocationID         int
	Location           string
}

// Owned is a dedicated server that was ordered. An order that failed is not
// there at all.
type Owned struct {
	ID            int
	OrderComplete bool
}

// DedicatedStatus is how a dedicated server is doing.
type DedicatedStatus struct {
	State string // "halted", ...; never empty
}

// DedicatedConfig is what a dedicated server is made of, and its passwords.
type DedicatedConfig struct {
	RootPassword, UserPassword secret.Secret
	User                       string
	IPs                        []string
	Template                   string
	Hardware                   Offer // without ID, model and description
}

// Order is an order for a dedicated server.
type Order struct {
	ID       int // of the Offer
	Template string
	IPs      int    // 0: the provider's default
	Hostname string // "": the provider's default
}

// dedicatedPath is the path of a dedicated server, with what follows.
func dedicatedPath(id int, rest string) string {
	return "/datacenter/dedicated/" + strconv.Itoa(id) + rest
}

// Market lists the dedicated servers that can be ordered. An offer without a
// readable price is left out, since nobody could decide on it.
func (c *Client) Market(ctx context.Context) ([]Offer, error) {
	return read(ctx, c, "dedicated-market", "/datacenter/dedicated/market", decodeMarket)
}

// Dedicated lists the dedicated servers that were ordered.
func (c *Client) Dedicated(ctx context.Context) ([]Owned, error) {
	return read(ctx, c, "dedicated-list", "/datacenter/dedicated", decodeOwned)
}

// DedicatedStatus reads a dedicated server's state.
func (c *Client) DedicatedStatus(ctx context.Context, id int) (DedicatedStatus, error) {
	return read(ctx, c, "dedicated-status", dedicatedPath(id, "/status"), decodeDedicatedStatus)
}

// DedicatedConfig reads a dedicated server's hardware, IPs, template and
// passwords.
func (c *Client) DedicatedConfig(ctx context.Context, id int) (DedicatedConfig, error) {
	return read(ctx, c, "dedicated-config", dedicatedPath(id, "/config"), decodeDedicatedConfig)
}

// DedicatedConsole asks for a link to a dedicated server's console; see
// VMConsole.
func (c *Client) DedicatedConsole(ctx context.Context, id int) (secret.Secret, error) {
	return readOnce(ctx, c, "dedicated-console", dedicatedPath(id, "/console"), consoleTimeout, decodeLink)
}

// OrderDedicated orders a dedicated server. Acceptance proves nothing: an order
// can fail in silence, and then never shows in Dedicated.
func (c *Client) OrderDedicated(ctx context.Context, o Order) (Result, error) {
	ips := ""
	if o.IPs != 0 {
		ips = strconv.Itoa(o.IPs)
	}
	return c.mutate(ctx, "dedicated-order", http.MethodPost, "/datacenter/dedicated/order", struct {
		ID       int    `json:"id"`
		Template string `json:"template"`
		IPs      string `json:"ipCount,omitempty"` // a string in this call alone
		Hostname string `json:"hostname,omitempty"`
	}{o.ID, o.Template, ips, o.Hostname})
}

// StartDedicated starts a dedicated server.
func (c *Client) StartDedicated(ctx context.Context, id int) (Result, error) {
	return c.mutate(ctx, "dedicated-start", http.MethodPut, dedicatedPath(id, "/start"), nil)
}

// ShutdownDedicated stops a dedicated server.
func (c *Client) ShutdownDedicated(ctx context.Context, id int) (Result, error) {
	return c.mutate(ctx, "dedicated-shutdown", http.MethodPut, dedicatedPath(id, "/shutdown"), nil)
}

// RebootDedicated restarts a dedicated server.
func (c *Client) RebootDedicated(ctx context.Context, id int) (Result, error) {
	return c.mutate(ctx, "dedicated-reboot", http.MethodPut, dedicatedPath(id, "/reboot"), nil)
}

// ReinstallDedicated installs a dedicated server anew. The hostname may be "".
func (c *Client) ReinstallDedicated(ctx context.Context, id int, template, hostname string) (Result, error) {
	return c.mutate(ctx, "dedicated-reinstall", http.MethodPut, dedicatedPath(id, "/reinstall"), struct {
		Template string `json:"template"`
		Hostname string `json:"hostname,omitempty"`
	}{template, hostname})
}

// TerminateDedicated gives a dedicated server up: its data and the access to it
// are gone at once.
func (c *Client) TerminateDedicated(ctx context.Context, id int) (Result, error) {
	return c.mutate(ctx, "dedicated-terminate", http.MethodPost, dedicatedPath(id, "/terminate"), nil)
}

// hardware is the provider's "configuration".
type hardware struct {
	CPU object[struct {
		Type  text    `json:"type"`
		Count integer `json:"count"`
	}] `json:"cpu"`
	RAM object[struct {
		Type text `json:"type"`
		Size text `json:"size"`
	}] `json:"ram"`
	Storage object[struct {
		Type  text    `json:"type"`
		Count integer `json:"count"`
		Size  text    `json:"size"`
	}] `json:"storage"`
	Price    json.RawMessage `json:"price"`
	Location object[struct {
		ID   integer `json:"id"`
		Name text    `json:"name"`
	}] `json:"location"`
}

func (h hardware) offer() Offer {
	storage := capacity(string(h.Storage.value.Size), string(h.Storage.value.Type))
	if n := h.Storage.value.Count; n > 0 && storage != "" {
		storage = fmt.Sprintf("%d × %s", n, storage)
	}
	o := Offer{
		CPU:        string(h.CPU.value.Type),
		CPUCount:   int(h.CPU.value.Count),
		RAM:        capacity(string(h.RAM.value.Size), string(h.RAM.value.Type)),
		RAMGB:      gib(firstWords(string(h.RAM.value.Size))),
		Storage:    storage,
		LocationID: int(h.Location.value.ID),
		Location:   string(h.Location.value.Name),
	}
	o.Price, _ = h.price()
	return o
}

// price is false for one that is missing or no amount: what cannot be read must
// not look cheap.
func (h hardware) price() (float64, bool) {
	switch string(h.Price) {
	case "", "null", `""`, "true", "false":
		return 0, false
	}
	var n number
	if json.Unmarshal(h.Price, &n) != nil || n < 0 {
		return 0, false
	}
	return float64(n), true
}

// capacity puts a size and a type into one form: "32" and "DDR3 ECC", or "32 GB
// DDR4 ECC" and "DDR4 ECC", become "32 GB ...". A size without unit is GB.
func capacity(size, kind string) string {
	size, kind = strings.TrimSpace(size), strings.TrimSpace(kind)
	if n, err := strconv.ParseFloat(size, 64); err == nil && !math.IsInf(n, 0) {
		size += " GB"
	}
	if kind == "" || strings.Contains(strings.ToLower(size), strings.ToLower(kind)) {
		return size
	}
	return strings.TrimSpace(size + " " + kind)
}

// firstWords is the number and the unit of "32 GB DDR4 ECC".
func firstWords(size string) string {
	words := strings.Fields(size)
	return strings.Join(words[:min(2, len(words))], "")
}

func decodeMarket(raw json.RawMessage) ([]Offer, error) {
	items, err := decodeList[struct {
		ID            integer          `json:"id"`
		Model         text             `json:"model"`
		Description   text             `json:"description"`
		Configuration object[hardware] `json:"configuration"`
	}](raw)
	if err != nil {
		return nil, err
	}
	offers := make([]Offer, 0, len(items))
	for _, it := range items {
		if _, ok := it.Configuration.value.price(); !ok || it.ID <= 0 {
			continue
		}
		o := it.Configuration.value.offer()
		o.ID, o.Model, o.Description = int(it.ID), string(it.Model), string(it.Description)
		offers = append(offers, o)
	}
	return offers, nil
}

func decodeOwned(raw json.RawMessage) ([]Owned, error) {
	items, err := decodeList[struct {
		ID            integer `json:"id"`
		OrderComplete flag    `json:"orderComplete"`
	}](raw)
	if err != nil {
		return nil, err
	}
	owned := make([]Owned, len(items))
	for i, it := range items {
		if it.ID <= 0 {
			return nil, errors.New("the answer lists a server without an ID")
		}
		owned[i] = Owned{ID: int(it.ID), OrderComplete: bool(it.OrderComplete)}
	}
	return owned, nil
}

func decodeDedicatedStatus(raw json.RawMessage) (DedicatedStatus, error) {
	s, err := decodeObject[struct {
		State text `json:"state"`
	}](raw, "state")
	return DedicatedStatus{State: string(s.State)}, err
}

func decodeDedicatedConfig(raw json.RawMessage) (DedicatedConfig, error) {
	v, err := decodeObject[struct {
		SSH object[struct {
			Root object[struct {
				Password text `json:"password"`
			}] `json:"root"`
			User object[struct {
				Username text `json:"username"`
				Password text `json:"password"`
			}] `json:"user"`
		}] `json:"ssh"`
		IPs           array[text]      `json:"ips"`
		Template      text             `json:"template"`
		Configuration object[hardware] `json:"configuration"`
	}](raw, "ips")
	return DedicatedConfig{
		RootPassword: hidden(v.SSH.value.Root.value.Password),
		UserPassword: hidden(v.SSH.value.User.value.Password),
		User:         string(v.SSH.value.User.value.Username),
		IPs:          plain(v.IPs),
		Template:     string(v.Template),
		Hardware:     v.Configuration.value.offer(),
	}, err
}

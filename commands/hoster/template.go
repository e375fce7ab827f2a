package hoster

import (
	"context"
	"encoding/json"
)

// Templates lists the names of the systems that a VM can have.
func (c *Client) Templates(ctx context.Context) ([]string, error) {
	return read(ctx, c, "vm-templates", "/datacenter/templates", decodeNames)
}

// DedicatedTemplates lists the names of the systems that a dedicated server can
// have, as they come: the documented list has duplicates.
func (c *Client) DedicatedTemplates(ctx context.Context) ([]string, error) {
	return read(ctx, c, "dedicated-templates", "/datacenter/dedicated/templates", decodeNames)
}

func decodeNames(raw json.RawMessage) ([]string, error) {
	names, err := decodeList[text](raw)
	return plain(names), err
}

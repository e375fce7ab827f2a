package bot_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"hosterbot/bot"
)

// toldKey sorts like the VM, then like the ID.
func toldKey(vm int64, id string) string { return fmt.Sprintf("%020d/%s", vm, id) }

func (m *memory) Incidents(ctx context.Context) ([]bot.Told, error) {
	if err := m.begin(ctx, "Incidents"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var out []bot.Told
	for _, key := range slices.Sorted(maps.Keys(m.told)) {
		out = append(out, clone(m.told[key]))
	}
	return out, nil
}

func (m *memory) SaveIncident(ctx context.Context, _ time.Time, t bot.Told) error {
	if err := m.begin(ctx, "SaveIncident"); err != nil {
		return err
	}
	if t.VM < 1 || t.Incident.ID == "" || len(t.Incident.ID) > 1024 {
		m.mu.Unlock()
		return errors.New("an incident without VM or ID")
	}
	m.told[toldKey(t.VM, t.Incident.ID)] = clone(t)
	m.mu.Unlock()
	return m.done("SaveIncident")
}

func (m *memory) DropIncident(ctx context.Context, _ time.Time, vm int64, id string) error {
	if err := m.begin(ctx, "DropIncident"); err != nil {
		return err
	}
	delete(m.told, toldKey(vm, id))
	m.mu.Unlock()
	return m.done("DropIncident")
}

package bolt

import (
	"context"
	"fmt"
	"time"

	"hosterbot/bot"
)

// incidentKey is the key of an incident.
func incidentKey(vm int64, id string) ([]byte, error) {
	if vm < 1 || id == "" || len(id) > maxKey {
		return nil, fmt.Errorf("%w: incident of VM %d with an ID of %d bytes", errInvalid, vm, len(id))
	}
	return append(be(uint64(vm)), id...), nil
}

// Incidents implements bot.Store.
func (s *Store) Incidents(ctx context.Context) ([]bot.Told, error) {
	var out []bot.Told
	err := s.view(ctx, func(t *tx) error {
		var err error
		t.scan(incidents, nil, func(_, v []byte) bool {
			var told bot.Told
			err = packTold.unpack(v, &told)
			out = append(out, told)
			return err == nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("incidents: %w", err)
	}
	return out, nil
}

// SaveIncident implements bot.Store.
func (s *Store) SaveIncident(ctx context.Context, _ time.Time, told bot.Told) error {
	key, err := incidentKey(told.VM, told.Incident.ID)
	if err == nil {
		value := packTold.pack(nil, &told)
		err = s.write(ctx, func(t *tx) error {
			t.put(incidents, key, value)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("save incident of VM %d: %w", told.VM, err)
	}
	return nil
}

// DropIncident implements bot.Store.
func (s *Store) DropIncident(ctx context.Context, _ time.Time, vm int64, id string) error {
	key, err := incidentKey(vm, id)
	if err == nil {
		err = s.write(ctx, func(t *tx) error {
			t.delete(incidents, key)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("drop incident of VM %d: %w", vm, err)
	}
	return nil
}

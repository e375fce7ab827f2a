package hoster

import (
	"context"
	"encoding/json"
	"net/http"
)

// BackupStatus is the VM's backup task, if there is one.
type BackupStatus struct {
	Status   string  // "pending", ...; "" without a task
	Progress float64 // 0..1
}

// Backups lists a VM's backups as unix seconds, in the provider's order.
func (c *Client) Backups(ctx context.Context, vm int) ([]int64, error) {
	return read(ctx, c, "backup-list", vmPath(vm, "/backups/list"), decodeIDs[int64])
}

// BackupStatus reads how a VM's backup or restore is getting on.
func (c *Client) BackupStatus(ctx context.Context, vm int) (BackupStatus, error) {
	return read(ctx, c, "backup-status", vmPath(vm, "/backups/status"), decodeBackupStatus)
}

// CreateBackup starts a backup; it has no job and shows in Backups at its end.
func (c *Client) CreateBackup(ctx context.Context, vm int) (Result, error) {
	return c.mutate(ctx, "backup-create", http.MethodPut, vmPath(vm, "/backups/create"), nil)
}

// RestoreBackup puts a VM back to a backup of Backups. All since is lost.
func (c *Client) RestoreBackup(ctx context.Context, vm int, backup int64) (Result, error) {
	return c.mutate(ctx, "backup-restore", http.MethodPost, vmPath(vm, "/backups/restore"), struct {
		Backup int64 `json:"backup"`
	}{backup})
}

func decodeBackupStatus(raw json.RawMessage) (BackupStatus, error) {
	var s object[struct {
		Status   text     `json:"status"`
		Progress fraction `json:"progress"`
	}]
	err := decodeInto(raw, &s)
	return BackupStatus{Status: string(s.value.Status), Progress: float64(s.value.Progress)}, err
}

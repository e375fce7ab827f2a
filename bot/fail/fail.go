//go:build !failpoints

// Package fail names the points at which a test kills the process.
//
// In an ordinary build Point does nothing and costs nothing. A binary built
// with -tags failpoints kills itself with SIGKILL at the point that
// HOSTERBOT_FAIL names, so that a crash test hits the moment it means.
//
// To add a point: call fail.Point with a new name where the moment is, and add
// the name to the crash matrix.
//
// It is a leaf: it imports nothing of ours and may be imported everywhere.
package fail

// Point is a moment in the life of an operation. It does nothing here.
func Point(string) {}

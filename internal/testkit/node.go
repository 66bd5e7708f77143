package testkit

import (
	"testing"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

// NodeFolder is a folder in which Node.js finds the reference clients of the protocols. Where they cannot be had the test is skipped.
func NodeFolder(t testing.TB) string {
	t.Helper()
	if err := server.NodePackages.Installed(); err != nil {
		t.Skipf("SKIPPED: %v (%s)", err, server.NodePackages.Other)
	}
	folder, err := server.NodeFolder()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// Package migrations holds the numbered SQL that makes the schema, one folder per dialect. A released file is never touched again.
package migrations

import "embed"

// Files has postgres/NNNN_name.sql and sqlite/NNNN_name.sql; the same numbers in both.
//
//go:embed postgres/*.sql sqlite/*.sql
var Files embed.FS

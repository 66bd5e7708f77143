package main

import (
	"context"
	"io"
)

const loadName = "load"

func benchLoad(ctx context.Context, o options, backend string, stdout io.Writer) error { return nil }

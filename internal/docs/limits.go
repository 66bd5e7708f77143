package main

import (
	"fmt"
	"strings"

	"github.com/mesapartes/mesa/graph"
)

func limits() string {
	var b strings.Builder
	b.WriteString("# Limits\n\nPrinted from `graph/limits.go` and `graph/rates.go` by `make generate`.\n\n## Of one operation or connection\n\n" +
		"What exceeds one is refused before it is executed: `LIMIT_EXCEEDED`, with the number in `extensions.limit` and the name in `extensions.field`.\n" +
		"`MESA_LIMITS=depth=12,cost=80000` changes some of them; `MESA_OPERATION_TIMEOUT` (30s) ends what takes longer (`TIMEOUT`).\n\n| limit | default | counts |\n|---|--:|---|\n")
	for _, row := range graph.LimitTable {
		fmt.Fprintf(&b, "| `%s` | %d | %s |\n", row.Limit, row.Default, row.Meaning)
	}
	b.WriteString("\n## Of many operations\n\nWho spends more is told `RATE_LIMITED` with `retryAfter` in seconds and the class in `rate`; over HTTP the status is 429, with `Retry-After`.\n" +
		"An operation weighs 1, and 1 more for each 1,000 of its cost; what is answered from the cache weighs 0.1.\nSo does, for its address, a request that is not well-formed or names a document that the process does not know.\nHTTP answers say what is left in `RateLimit-Policy` and `RateLimit`.\n\n| class | default | counts |\n|---|---|---|\n")
	for _, row := range graph.RateTable {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", row.Class, row.Default, row.Meaning)
	}
	return b.String()
}

package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/graph"
)

func caching() string {
	var b strings.Builder
	b.WriteString("# What is cached\n\nPrinted from `schema/` (`@cacheControl`) and `cache/policy.go` by `make generate`. How it stays true: docs/decisions/0008-result-cache.md.\n\n")
	b.WriteString("An operation is kept as its least cacheable part allows. Whatever changes what an answer is made from ends it at once; the times below are\nbounds for what nothing changes.\n\n")
	b.WriteString("| Tier | made anew in the background after | gone after | meant for |\n|---|---|---|---|\n")
	for _, row := range cache.Lifetimes {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.Tier, minutes(row.Soft), minutes(row.Hard), row.For)
	}
	b.WriteString("\n| Field | Tier | Scope |\n|---|---|---|\n")
	for _, row := range graph.CachePolicies() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", row.Field, cmp.Or(string(row.Tier), "–"), cmp.Or(string(row.Scope), "not kept"))
	}
	b.WriteString("\nScopes: PUBLIC is the same for everybody who may ask, SCOPE for everybody with the same rights, VIEWER for one user. A field without a tier\nonly narrows the operations that select it. Mutations, subscriptions, answers with errors and those that say what is in CONFIDENTIAL documents (decision 18) are never kept, nor is\nanything that is asked over WebSocket or SSE.\n")
	return b.String()
}

// minutes writes a time that is whole minutes.
func minutes(d time.Duration) string { return fmt.Sprintf("%d min", int(d.Minutes())) }

// Command docs prints tables of the code as pages of docs/: what people argue about is written once, in the code that obeys it.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/mesapartes/mesa/mesa"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: docs FOLDER")
	}
	for name, text := range map[string]string{"permissions.md": permissions(), "errors.md": errorCodes(), "states.md": states(), "caching.md": caching(), "limits.md": limits(), "licences.md": licences()} {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

func permissions() string {
	var b strings.Builder
	b.WriteString("# Permissions\n\nPrinted from `mesa/permission.go` by `make generate`. ● everywhere · ◐ in the role's own areas · – not at all.\n\n| Permission |")
	for _, role := range mesa.RoleCodes {
		fmt.Fprintf(&b, " %s |", role)
	}
	b.WriteString("\n|---|" + strings.Repeat(":-:|", len(mesa.RoleCodes)) + "\n")
	for _, row := range mesa.RolePermissions {
		fmt.Fprintf(&b, "| `%s` | %s |\n", row.Permission, strings.Join(strings.Fields(row.Reach), " | "))
	}
	return b.String()
}

func errorCodes() string {
	var b strings.Builder
	b.WriteString("# Error codes\n\nPrinted from `mesa/error.go` by `make generate`. Each error of the API has one of them in `extensions.code`.\n\n| Code | Meaning |\n|---|---|\n")
	for _, row := range mesa.ErrorCodes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", row.Code, row.Meaning)
	}
	return b.String()
}

func states() string {
	documents, legs, copies := mesa.StateDiagrams()
	return "# States\n\nPrinted from `mesa/moves.go` by `make generate`.\n\n## Documents\n\n```mermaid\n" + documents +
		"```\n\nOBSERVED is part of the model; the ways into it come with observations.\n\n" +
		"## Derivations for action\n\n```mermaid\n" + legs + "```\n\n## Copies\n\n```mermaid\n" + copies + "```\n\n" +
		"## Documents on their way to other institutions\n\nPrinted from `mesa/exchange.go`.\n\n```mermaid\n" + mesa.ExchangeDiagram() + "```\n"
}

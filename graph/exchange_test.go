package graph_test

import (
	"io/fs"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/mesapartes/mesa/internal/exchange"
)

// The protocol between institutions is this API: what is sent to the other side has to be valid here.
func TestWhatOtherInstitutionsAreSentIsValid(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(exchange.Operations, "operations/*.graphql")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v %v", files, err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(exchange.Operations, file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gqlparser.LoadQueryWithRules(schema, string(text), rules.NewDefaultRules()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

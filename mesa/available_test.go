package mesa_test

import (
	"slices"
	"testing"

	"github.com/mesapartes/mesa/mesa"
)

func TestAvailableActionsByExample(t *testing.T) {
	t.Parallel()
	registered, pending, received := newMatter(t), sentToLegal(t), inLegal(t)
	done := inLegal(t)
	done.must("lawyer", done.attend(0))
	for _, c := range []struct {
		name string
		m    *matter
		by   string
		want []mesa.Action
	}{
		{"registered", registered, "clerk", []mesa.Action{mesa.ActUpdate, mesa.ActDerive}},
		{"registered", registered, "desk head", []mesa.Action{mesa.ActUpdate, mesa.ActDerive, mesa.ActVoid}},
		{"registered", registered, "lawyer", []mesa.Action{}},
		{"pending", pending, "clerk", []mesa.Action{mesa.ActUpdate, mesa.ActRecall}},
		{"pending", pending, "lawyer", []mesa.Action{mesa.ActReceive, mesa.ActReject, mesa.ActAssign}},
		{"received", received, "legal head", []mesa.Action{mesa.ActUpdate, mesa.ActDerive, mesa.ActAttend, mesa.ActReturn, mesa.ActReassign, mesa.ActAssign, mesa.ActExtend}},
		{"received", received, "viewer", []mesa.Action{}},
		{"attended", done, "archivist", []mesa.Action{mesa.ActArchive}},
		{"attended", done, "legal head", []mesa.Action{mesa.ActUpdate, mesa.ActReopen}},
	} {
		if got := mesa.AvailableActions(c.m.people[c.by], c.m.doc, c.m.legs); !slices.Equal(got, c.want) {
			t.Errorf("%s, %s: %v, want %v", c.name, c.by, got, c.want)
		}
	}
}

package mesa

import (
	"fmt"
	"io"
	"strings"
)

// Action is a verb of the desk that moves a document or one of its legs.
type Action string

// The verbs. Events, availableActions and docs/states.md name them so.
const (
	ActSubmit      Action = "SUBMIT"
	ActRegister    Action = "REGISTER"
	ActDecline     Action = "DECLINE"
	ActUpdate      Action = "UPDATE"
	ActDerive      Action = "DERIVE"
	ActReceive     Action = "RECEIVE"
	ActAttend      Action = "ATTEND"
	ActReject      Action = "REJECT"
	ActReturn      Action = "RETURN"
	ActRecall      Action = "RECALL"
	ActReassign    Action = "REASSIGN"
	ActAssign      Action = "ASSIGN"
	ActAcknowledge Action = "ACKNOWLEDGE"
	ActExtend      Action = "EXTEND_DEADLINE"
	ActReopen      Action = "REOPEN"
	ActArchive     Action = "ARCHIVE"
	ActRestore     Action = "RESTORE"
	ActVoid        Action = "VOID"
)

// Actions lists them in the order of the schema.
var Actions = []Action{
	ActSubmit, ActRegister, ActDecline, ActUpdate, ActDerive, ActReceive, ActAttend, ActReject, ActReturn, ActRecall, ActReassign, ActAssign, ActAcknowledge,
	ActExtend, ActReopen, ActArchive, ActRestore, ActVoid,
}

// MarshalGQL writes the name, null for none.
func (a Action) MarshalGQL(w io.Writer) { writeEnum(w, a) }

// UnmarshalGQL reads a name.
func (a *Action) UnmarshalGQL(v any) error { return readEnum(v, a, Actions) }

// move is one row of a state table.
type move[S ~string] struct {
	From S
	By   Action
	To   S
}

// moves is a state table: what can be done in which state, and where it leads. One (From, By) may have several ends:
// the rules in the verb choose among them, never outside them.
type moves[S ~string] []move[S]

// documentMoves is the life of a document (T1–T4, T10–T15); observations add their rows when they are built.
// DERIVE of copies alone leaves the state as it is.
var documentMoves = moves[DocumentState]{
	{"", ActRegister, Registered},
	{"", ActSubmit, Submitted},
	{Submitted, ActRegister, Registered},
	{Submitted, ActDecline, NotFiled},
	{Registered, ActDerive, InProcess},
	{InProcess, ActDerive, InProcess},
	{InProcess, ActAttend, Attended},
	{InProcess, ActRecall, Attended},
	{InProcess, ActRecall, Registered},
	{Attended, ActReopen, InProcess},
	{Attended, ActArchive, Archived},
	{NotFiled, ActArchive, Archived},
	{Archived, ActRestore, InProcess},
	{Archived, ActRestore, NotFiled},
	{Submitted, ActVoid, Voided},
	{Registered, ActVoid, Voided},
}

// legMoves is the life of an ACTION leg (D2–D7).
var legMoves = moves[DerivationState]{
	{LegPending, ActReceive, LegReceived},
	{LegReceived, ActAttend, LegAttended},
	{LegPending, ActReject, LegRejected},
	{LegReceived, ActReturn, LegReturned},
	{LegPending, ActRecall, LegRecalled},
	{LegPending, ActReassign, LegReassigned},
	{LegReceived, ActReassign, LegReassigned},
	{LegReceived, ActDerive, LegAttended},
}

// copyMoves is the life of a COPY leg (D9).
var copyMoves = moves[DerivationState]{
	{LegPending, ActAcknowledge, LegAcknowledged},
	{LegPending, ActRecall, LegRecalled},
}

// allows says whether the table has a row for the action in this state.
func (m moves[S]) allows(from S, by Action) bool {
	for _, row := range m {
		if row.From == from && row.By == by {
			return true
		}
	}
	return false
}

// leads says whether the table has exactly this row.
func (m moves[S]) leads(from S, by Action, to S) bool {
	for _, row := range m {
		if row == (move[S]{from, by, to}) {
			return true
		}
	}
	return false
}

func invalidTransition[S ~string](state S) *Error {
	return Fail(InvalidTransition, "", "No es posible en el estado actual: %s.", Label(string(state))).With("state", string(state))
}

// StateDiagrams draws the tables in Mermaid: the life of a document, of an ACTION leg and of a COPY leg.
func StateDiagrams() (documents, legs, copies string) {
	return documentMoves.diagram(), legMoves.diagram(), copyMoves.diagram()
}

func (m moves[S]) diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	for _, row := range m {
		from := string(row.From)
		if from == "" {
			from = "[*]"
		}
		fmt.Fprintf(&b, "  %s --> %s: %s\n", from, row.To, strings.ToLower(string(row.By)))
	}
	return b.String()
}

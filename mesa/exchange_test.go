package mesa_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// Domain 4.13, by hand: what each thing that happens makes of a message, by the state it is in; what is missing changes nothing.
var messageMoves = map[string]map[mesa.ExchangeState]mesa.ExchangeState{
	"begin": {
		mesa.MessageQueued: mesa.MessageSending, mesa.MessageRetrying: mesa.MessageSending, mesa.MessageSending: mesa.MessageSending, mesa.MessageDead: mesa.MessageSending,
	},
	"accepted, not yet registered": {mesa.MessageSending: mesa.MessageDelivered},
	"accepted, in a newer state":   {mesa.MessageSending: mesa.MessageSent},
	"accepted before, registered":  {mesa.MessageSending: mesa.MessageRegistered},
	"failed, tried again":          {mesa.MessageSending: mesa.MessageRetrying},
	"failed for good":              {mesa.MessageSending: mesa.MessageDead, mesa.MessageQueued: mesa.MessageDead, mesa.MessageRetrying: mesa.MessageDead},
	"orphaned":                     {mesa.MessageSending: mesa.MessageDead, mesa.MessageQueued: mesa.MessageDead, mesa.MessageRetrying: mesa.MessageDead},
	"cancelled":                    {mesa.MessageQueued: mesa.MessageCancelled, mesa.MessageRetrying: mesa.MessageCancelled},
	"retried":                      {mesa.MessageDead: mesa.MessageQueued},
	"waits there":                  {mesa.MessageSent: mesa.MessageDelivered, mesa.MessageObserved: mesa.MessageDelivered},
	"registered there":             {mesa.MessageSent: mesa.MessageRegistered, mesa.MessageDelivered: mesa.MessageRegistered, mesa.MessageObserved: mesa.MessageRegistered},
	"observed there":               {mesa.MessageSent: mesa.MessageObserved, mesa.MessageDelivered: mesa.MessageObserved},
	"refused there":                {mesa.MessageSent: mesa.MessageRejected, mesa.MessageDelivered: mesa.MessageRejected, mesa.MessageObserved: mesa.MessageRejected},
}

func there(state mesa.DocumentState) *mesa.RemoteDocument {
	return &mesa.RemoteDocument{ID: "doc_there", State: state, Number: "EXP-1", Area: "Mesa", RegisteredAt: monday, Note: "porque sí"}
}

var messageVerbs = map[string]func(*mesa.ExchangeMessage) ([]mesa.EventType, error){
	"begin": func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) { return nil, m.Begin(monday) },
	"accepted, not yet registered": func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) {
		return m.Accepted(monday, there(mesa.Submitted))
	},
	"accepted, in a newer state": func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) { return m.Accepted(monday, there("NEWER")) },
	"accepted before, registered": func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) {
		return m.Accepted(monday, there(mesa.InProcess))
	},
	"failed, tried again": func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) {
		return m.Failed(monday, monday.Add(time.Minute), "TIMEOUT", "late")
	},
	"failed for good": func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) {
		return m.Failed(monday, time.Time{}, "TIMEOUT", "late")
	},
	"orphaned":  func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) { return m.Orphaned(monday, "CRASH_LOOP", "") },
	"cancelled": func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) { return nil, m.Cancel(monday) },
	"retried":   func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) { return nil, m.Retry(monday) },
	"waits there": func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) {
		return m.Follow(monday, there(mesa.Submitted))
	},
	"registered there": func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) { return m.Follow(monday, there(mesa.Archived)) },
	"observed there":   func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) { return m.Follow(monday, there(mesa.Observed)) },
	"refused there":    func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) { return m.Follow(monday, there(mesa.NotFiled)) },
}

func TestTheLifeOfAMessage(t *testing.T) {
	t.Parallel()
	told := map[mesa.ExchangeState]mesa.EventType{
		mesa.MessageDelivered: mesa.ExchangeDelivered, mesa.MessageRegistered: mesa.ExchangeRegistered, mesa.MessageObserved: mesa.ExchangeObserved,
		mesa.MessageRejected: mesa.ExchangeRejected, mesa.MessageDead: mesa.ExchangeDead, mesa.MessageSent: mesa.ExchangeSent,
	}
	for name, verb := range messageVerbs {
		for _, from := range mesa.ExchangeStates {
			m := &mesa.ExchangeMessage{State: from}
			what, err := verb(m)
			want, moves := messageMoves[name][from]
			follows := strings.HasSuffix(name, "there")
			switch {
			case !moves && (m.State != from || len(what) > 0 && err == nil || err == nil && !follows):
				t.Errorf("%s: a message that is %s becomes %s, %v, told %v", name, from, m.State, err, what)
			case !moves && !follows && mesa.CodeOf(err) != mesa.InvalidTransition:
				t.Errorf("%s: a message that is %s: %v", name, from, err)
			case moves && (err != nil || m.State != want):
				t.Errorf("%s: a message that is %s becomes %s, want %s: %v", name, from, m.State, want, err)
			case moves && told[want] != "" && (len(what) == 0 || what[len(what)-1] != told[want]):
				t.Errorf("%s: told %v of a message that is %s now", name, what, want)
			}
		}
	}
	if states := len(messageMoves); states != len(messageVerbs) {
		t.Errorf("%d moves for %d verbs", states, len(messageVerbs))
	}
	for _, lists := range [][]mesa.ExchangeState{mesa.WaitingStates, mesa.LostStates} {
		for _, s := range lists {
			if !slices.Contains(mesa.ExchangeStates, s) {
				t.Errorf("%s is no state", s)
			}
		}
	}
}

func TestTheReceiptOfAMessage(t *testing.T) {
	t.Parallel()
	m := &mesa.ExchangeMessage{State: mesa.MessageDelivered, ErrorCode: "NOT_FOUND"}
	if _, err := m.Follow(monday, there(mesa.Registered)); err != nil || m.RemoteNumber != "EXP-1" || m.RemoteArea != "Mesa" || !m.RemoteDate.Equal(monday) || m.ErrorCode != "" || !m.CheckedAt.Equal(monday) {
		t.Errorf("%v %+v", err, m)
	}
	if what, err := m.Follow(monday, there(mesa.Voided)); len(what) > 0 || err != nil || m.State != mesa.MessageRegistered {
		t.Errorf("what was registered is taken back: %v %v %+v", what, err, m)
	}
}

func TestWaitsBetweenAttemptsToSend(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: time.Minute, 1: time.Minute, 2: 5 * time.Minute, 3: 15 * time.Minute, 4: time.Hour, 5: 3 * time.Hour, 6: 6 * time.Hour, 7: 12 * time.Hour, 14: 12 * time.Hour} {
		least, middle, most := mesa.ExchangeRetryAfter(n, 0), mesa.ExchangeRetryAfter(n, 0.5), mesa.ExchangeRetryAfter(n, 1)
		if middle != want || least != want*8/10 || most != want*12/10 {
			t.Errorf("after failure %d: %s to %s, around %s", n, least, most, middle)
		}
	}
}

func TestExchangeCodes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		code := mesa.NewExchangeCode()
		if len(code) != 10 || strings.Trim(code, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" || seen[code] {
			t.Errorf("drew %q", code)
		}
		seen[code] = true
	}
}

func TestWhatCanBeSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		want mesa.Code
		with func(*mesa.Document, *mesa.Integration)
	}{
		{"as it is", "", func(*mesa.Document, *mesa.Integration) {}},
		{"attended", "", func(d *mesa.Document, _ *mesa.Integration) { d.State = mesa.Attended }},
		{"restricted", "", func(d *mesa.Document, _ *mesa.Integration) { d.Confidentiality = mesa.Restricted }},
		{"confidential", mesa.ValidationFailed, func(d *mesa.Document, _ *mesa.Integration) { d.Confidentiality = mesa.Confidential }},
		{"without a number", mesa.InvalidTransition, func(d *mesa.Document, _ *mesa.Integration) { d.State = mesa.Submitted }},
		{"observed", mesa.InvalidTransition, func(d *mesa.Document, _ *mesa.Integration) { d.State = mesa.Observed }},
		{"archived", mesa.DocumentClosed, func(d *mesa.Document, _ *mesa.Integration) { d.State = mesa.Archived }},
		{"voided", mesa.DocumentClosed, func(d *mesa.Document, _ *mesa.Integration) { d.State = mesa.Voided }},
		{"to who is switched off", mesa.InvalidTransition, func(_ *mesa.Document, i *mesa.Integration) { i.IsActive = false }},
		{"to who is sent nothing", mesa.InvalidTransition, func(_ *mesa.Document, i *mesa.Integration) { i.CanSend = false }},
		{"without a key", mesa.ValidationFailed, func(_ *mesa.Document, i *mesa.Integration) { i.SealedCredentials = "" }},
	} {
		doc := &mesa.Document{State: mesa.Registered, Confidentiality: mesa.Public}
		to := &mesa.Integration{IsActive: true, CanSend: true, SealedCredentials: "v1:…"}
		c.with(doc, to)
		if got := mesa.CodeOf(mesa.CheckSendable(doc, to, false)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		want := c.want
		if doc.Confidentiality == mesa.Confidential {
			want = ""
		}
		if got := mesa.CodeOf(mesa.CheckSendable(doc, to, true)); got != want {
			t.Errorf("%s, even if it is confidential: %q, want %q", c.name, got, want)
		}
	}
}

func TestTheHealthOfAnIntegration(t *testing.T) {
	t.Parallel()
	ok := &mesa.ExchangeCall{Answered: true}
	down := &mesa.ExchangeCall{ErrorCode: "TIMEOUT", Temporary: true}
	refused := &mesa.ExchangeCall{ErrorCode: "UNAUTHENTICATED", Answered: true}
	wrong := &mesa.ExchangeCall{ErrorCode: "VALIDATION_FAILED", Answered: true}
	i, now := &mesa.Integration{Health: mesa.HealthUnknown}, monday
	for n, step := range []struct {
		call *mesa.ExchangeCall
		want mesa.Health
	}{
		{ok, mesa.HealthOK}, {wrong, mesa.HealthOK}, {refused, mesa.HealthDegraded}, {ok, mesa.HealthOK}, {down, mesa.HealthDegraded}, {down, mesa.HealthDegraded}, {wrong, mesa.HealthOK},
		{down, mesa.HealthDegraded}, {down, mesa.HealthDegraded}, {down, mesa.HealthDegraded}, {down, mesa.HealthDegraded}, {down, mesa.HealthDown}, {down, mesa.HealthDown},
	} {
		before := i.Health
		if changed := i.Note(step.call, now, time.Minute); i.Health != step.want || changed != (before != step.want) {
			t.Errorf("step %d: %s, changed %v", n, i.Health, changed)
		}
	}
	if wait := i.Admit(now, time.Minute); wait != time.Minute {
		t.Errorf("while the circuit is open a call waits %s", wait)
	}
	now = now.Add(time.Minute)
	if first, second := i.Admit(now, time.Minute), i.Admit(now, time.Minute); first != 0 || second != time.Minute {
		t.Errorf("then the first waits %s, the second %s", first, second)
	}
	i.Note(ok, now, time.Minute)
	if wait := i.Admit(now, time.Minute); wait != 0 || i.Health != mesa.HealthOK || !i.OpenUntil.IsZero() || i.Failures != 0 {
		t.Errorf("after an answer a call waits %s: %+v", wait, i)
	}
}

func TestIntegrationsAreChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field, key string
		with       func(*mesa.Integration)
	}{
		{"", "", func(*mesa.Integration) {}},
		{"", "mesa_0123", func(*mesa.Integration) {}},
		{"apiKey", "with space", func(*mesa.Integration) {}},
		{"apiKey", strings.Repeat("k", 201), func(*mesa.Integration) {}},
		{"code", "", func(i *mesa.Integration) { i.Code = "x" }},
		{"code", "", func(i *mesa.Integration) { i.Code = "-A" }},
		{"name", "", func(i *mesa.Integration) { i.Name = "" }},
		{"timeoutSeconds", "", func(i *mesa.Integration) { i.TimeoutSeconds = 0 }},
		{"maxAttempts", "", func(i *mesa.Integration) { i.MaxAttempts = 16 }},
		{"", "", func(i *mesa.Integration) { i.DefaultAreaID = atDesk }},
		{"defaultAreaId", "", func(i *mesa.Integration) { i.DefaultAreaID = atLegal }},
		{"defaultAreaId", "", func(i *mesa.Integration) { i.DefaultAreaID = atOld }},
		{"defaultTypeId", "", func(i *mesa.Integration) { i.DefaultTypeID = "typ_none" }},
	} {
		i := &mesa.Integration{Code: "MUNI-1", Name: "Municipalidad", TimeoutSeconds: 30, MaxAttempts: 8}
		c.with(i)
		field := ""
		if e, ok := i.Check(newOffice().cat, c.key, mesa.Integration{}).(*mesa.Error); ok {
			field = e.Field
		}
		if field != c.field {
			t.Errorf("wrong is %q, want %q", field, c.field)
		}
	}
}

// A desk or a type that was closed since does not keep the rest of an integration from being changed.
func TestWhatStaysIsNotCheckedAgain(t *testing.T) {
	t.Parallel()
	was := mesa.Integration{Code: "MUNI-1", Name: "Municipalidad", TimeoutSeconds: 30, MaxAttempts: 8, DefaultAreaID: atOld, DefaultTypeID: "typ_none"}
	now := was
	now.IsActive = true
	if err := now.Check(newOffice().cat, "", was); err != nil {
		t.Error(err)
	}
}

func TestWhichIntegrationsReceive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ active, receives, want bool }{{true, true, true}, {false, true, false}, {true, false, false}} {
		i := &mesa.Integration{IsActive: c.active, CanReceive: c.receives}
		if err := i.CheckReceives(); (err == nil) != c.want || err != nil && mesa.CodeOf(err) != mesa.Forbidden {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// history makes documents with all that happened to them until now.
type history struct {
	*world
	rnd   *rand.Rand
	names *names
	ids   mesa.IDs
	codes entropy
	now   time.Time
	legs  float64 // mean number of legs of a finished document

	people, bodies []*mesa.Party // who has sent something before
	out            db.Bulk
}

// newHistory makes a generator; the same seeds make the same documents.
func newHistory(w *world, now time.Time, legs float64, seed1, seed2 uint64) *history {
	rnd := rand.New(rand.NewPCG(seed1, seed2))
	return &history{
		world: w, rnd: rnd, names: newNames(rnd), now: now, legs: legs,
		ids: mesa.IDs{Entropy: newEntropy(seed1^0x1d5, seed2)}, codes: newEntropy(seed1^0xc0de, seed2),
	}
}

// chance is true in so many of a hundred cases.
func (h *history) chance(percent float64) bool { return h.rnd.Float64()*100 < percent }

// around is a positive number, mostly near the mean, sometimes several times as large.
func (h *history) around(mean float64) float64 { return mean * (0.3 + 0.7*h.rnd.ExpFloat64()) }

// add makes one document that comes in at an instant.
func (h *history) add(at time.Time) error {
	l := &life{history: h, freeze: -1}
	if err := l.register(at); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	l.plan(at)
	for len(l.tasks) > 0 {
		next := 0
		for i, t := range l.tasks {
			if t.at.Before(l.tasks[next].at) {
				next = i
			}
		}
		t := l.tasks[next]
		l.tasks = slices.Delete(l.tasks, next, next+1)
		if t.at.After(h.now) || l.freeze == 0 {
			continue
		}
		if l.freeze > 0 {
			l.freeze--
		}
		if err := l.step(t); err != nil {
			return fmt.Errorf("%s in state %s: %w", l.doc.Subject, l.doc.State, err)
		}
	}
	l.keep()
	return nil
}

func (l *life) register(at time.Time) error {
	desk := l.desks[0]
	if len(l.desks) > 1 && l.chance(15) {
		desk = l.desks[1+l.rnd.IntN(len(l.desks)-1)]
	}
	clerk := desk.whoMay(mesa.MayRegister, l.rnd.IntN(100))
	r, err := l.registration(at)
	if err != nil {
		return err
	}
	if err := r.Check(clerk, desk.area.ID, at); err != nil {
		return err
	}
	code, err := mesa.NewTrackingCode(l.codes)
	if err != nil {
		return err
	}
	f, err := mesa.Register(clerk, at, &l.ids, desk.area.ID, code, r)
	if err != nil {
		return err
	}
	l.doc = f.Doc
	l.note(f)
	return nil
}

var demoTags = []string{
	"urgente-congreso", "lluvias-2025", "contrataciones", "puente", "transparencia", "reiterativo", "sede-cusco", "convenio", "pago-pendiente",
	"obra-paralizada", "ambiental", "auditoria", "prensa", "huaico", "expropiacion",
}

// registration is a document as it is brought to the counter.
func (l *life) registration(at time.Time) (mesa.Registration, error) {
	typ, err := l.chooseType()
	if err != nil {
		return mesa.Registration{}, err
	}
	today := l.cat.Today(at)
	year, _, _ := today.YMD()
	party := l.sender(at)
	r := mesa.Registration{
		TypeID: typ.ID, Subject: l.names.fill(pick(l.rnd, l.topic.subjects), year), Folios: 1 + int(l.around(7)), SenderID: party.ID,
		Sender: mesa.Sender{Kind: party.Kind, IDType: party.IDType, IDNumber: mesa.Text(party.IDNumber), Name: party.Name, Email: party.Email},
	}
	for _, c := range l.cat.CategoriesOf(typ.ID) {
		if c.Code == l.topic.code && c.IsActive {
			r.CategoryID = c.ID
		}
	}
	if l.typ.external != "" && party.Kind != mesa.PersonParty && party.Kind != mesa.AnonymousParty {
		r.ExternalNumber = mesa.Text(fmt.Sprintf(l.typ.external, 1+l.rnd.IntN(980), year))
	}
	if l.chance(60) {
		r.DocumentDate = today.AddDays(-l.rnd.IntN(6))
	}
	switch x := l.rnd.IntN(100); {
	case x < 5:
		r.Priority = mesa.UrgentPriority
	case x < 18:
		r.Priority = mesa.HighPriority
	}
	switch x := l.rnd.IntN(100); {
	case x < 2:
		r.Confidentiality = mesa.Confidential
	case x < 6:
		r.Confidentiality = mesa.Restricted
	}
	for l.chance(22) && len(r.Tags) < 3 {
		r.Tags = append(r.Tags, pick(l.rnd, demoTags))
	}
	if l.chance(12) {
		r.Notes = pick(l.rnd, []mesa.Text{
			"El administrado deja teléfono para coordinar.", "Adjunta documentación en sobre cerrado.", "Se recibe copia simple; ofrece el original.",
			"Reitera pedido anterior.", "Indica que requiere respuesta por correo electrónico.",
		})
	}
	if l.chance(15) {
		r.AnnexText = pick(l.rnd, []mesa.Text{"1 CD con planos", "1 anillado con panel fotográfico", "2 planos A1 doblados", "Copia de DNI y vigencia de poder"})
	}
	if n := len(l.out.Documents); n > 20 && l.chance(4) {
		r.RelatedID = l.out.Documents[n-1-l.rnd.IntN(20)].ID
	}
	return r, nil
}

// chooseType draws a type that the institution has, and one of its categories.
func (l *life) chooseType() (*mesa.DocumentType, error) {
	total := 0
	for _, t := range types {
		total += t.weight
	}
	for range 100 {
		x := l.rnd.IntN(total)
		for i := range types {
			if x -= types[i].weight; x < 0 {
				l.typ = &types[i]
				break
			}
		}
		l.topic = &l.typ.categories[l.rnd.IntN(len(l.typ.categories))]
		for _, t := range l.cat.Types {
			if t.Code == l.typ.Code && t.IsActive {
				return t, nil
			}
		}
	}
	return nil, fmt.Errorf("none of the usual document types is active")
}

// sender is somebody new or somebody who has sent something before.
func (l *life) sender(at time.Time) *mesa.Party {
	kind := l.typ.senders
	if l.chance(15) {
		kind = pick(l.rnd, []mesa.PartyKind{mesa.PersonParty, mesa.CompanyParty, mesa.PublicEntityParty})
	}
	if l.typ.AllowsAnonymous && l.chance(30) {
		kind = mesa.AnonymousParty
	}
	before, again := &l.bodies, 70.0
	if kind == mesa.PersonParty {
		before, again = &l.people, 30
	}
	if l.chance(again) && kind != mesa.AnonymousParty {
		for range 4 {
			if len(*before) == 0 {
				break
			}
			if p := pick(l.rnd, *before); p.Kind == kind {
				return p
			}
		}
	}
	p := l.names.party(kind)
	p.ID, p.CreatedAt = l.ids.Party(at), at
	l.out.Parties = append(l.out.Parties, p)
	if kind != mesa.AnonymousParty {
		*before = append(*before, p)
	}
	return p
}

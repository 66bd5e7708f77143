package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/mesapartes/mesa/mesa"
)

// The operations of the contract that only the load asks for, word for word where they are there.
const (
	viewerQuery    = `query Viewer { viewer { user { id email fullName jobTitle } roles { code name } areas { id code name } permissions } }`
	catalogueQuery = `query Catalogue { documentTypes { id code name isActive categories { id code name } } areas { id code name isDesk isActive parent { id code } } purposes { code label kindDefault defaultTermBusinessDays } }`
	countsQuery    = `query TrayCounts($areaId: ID!) { trayCounts(areaId: $areaId) { box count } }`
	figuresQuery   = `query Statistics($filter: StatisticsFilter) { statistics(filter: $filter) { asOf received receivedToday attended open urgentOpen overdue dueSoon onTimeRate byState { state count percentage } byPriority { priority count percentage } byType { type { code } count percentage } trend(bucket: DAY) { start received attended } attentionDays { average median p90 min max } areas(first: 10) { area { code name } legsReceived legsAttended pendingReception inHand overdueLegs efficiency handlingDays { average median p90 } } } }`

	registerMutation = `mutation Register($input: RegisterDocumentInput!) { registerDocument(input: $input) { document { id fileNumber trackingCode state version submittedAt filedOn registeredAt dueOn light registeredBy { fullName } type { code } sender { kind idType idNumber name } currentArea { code } } } }`
	deriveMutation   = `mutation Derive($input: DeriveDocumentInput!) { deriveDocument(input: $input) { document { id state version currentArea { code } } derivations { id number state kind isLead dueOn toArea { code } } } }`
	receiveMutation  = `mutation Receive($id: ID!) { receiveDerivation(input: { derivationId: $id }) { derivation { id state receivedAt receivedBy { fullName } document { id state version } } } }`
	attendMutation   = `mutation Attend($input: AttendDerivationInput!) { attendDerivation(input: $input) { derivation { id state resolution closedAt closedBy { fullName } } document { id state version attendedAt outcome } } }`
	updateMutation   = `mutation Update($input: UpdateDocumentInput!) { updateDocument(input: $input) { document { id version subject notes priority tags } } }`
	watchMutation    = `mutation Watch($id: ID!) { watchDocument(input: { documentId: $id }) { document { id state version } } }`
)

// visitor plays a visit: it is the page in somebody's browser.
type visitor struct {
	*load
	visit
	rnd   *rand.Rand
	zipf  *rand.Zipf
	token string
	area  mesa.AreaID
	box   mesa.TrayBox // the tray that is shown
	tray  []trayed     // what is in it
}

// trayed is an item of a tray.
type trayed struct {
	Document   struct{ ID string }
	Derivation *struct{ ID string }
}

// play signs in and does one thing after the other.
func (l *load) play(ctx context.Context, who visit) error {
	rnd := rand.New(rand.NewPCG(loadSeed, who.seed))
	v := &visitor{load: l, visit: who, rnd: rnd, zipf: rand.NewZipf(rnd, 1.2, 1, 1000), box: mesa.TrayToReceive}
	if who.group == desks {
		v.box = mesa.TrayToDerive
	}
	in, err := l.desk.OpenSession(ctx, who.email)
	if err != nil {
		return err
	}
	v.token, v.area = in.Token, in.Actor.Areas[0]
	if err := v.enter(ctx); err != nil {
		return err
	}
	for _, s := range who.steps {
		if err := v.step(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", who.email, err)
		}
	}
	return nil
}

func (v *visitor) step(ctx context.Context, s step) error {
	switch s {
	case toPoll:
		if v.rnd.IntN(2) == 0 {
			return v.count(ctx)
		}
		return v.show(ctx, v.box)
	case toWork:
		return v.work(ctx)
	case toLook:
		return v.look(ctx)
	case toList:
		return v.list(ctx)
	case toMeasure:
		return v.figures(ctx)
	case toReload:
		return v.enter(ctx)
	default:
		others := []mesa.TrayBox{mesa.TrayInHand, mesa.TraySent, mesa.TrayOverdue, mesa.TrayDueSoon, mesa.TrayAttended, mesa.TrayWatched}
		return v.show(ctx, others[v.rnd.IntN(len(others))])
	}
}

// enter is what the page asks when it is loaded.
func (v *visitor) enter(ctx context.Context) error {
	_, err1 := v.ask(ctx, "Viewer", viewerQuery, nil)
	_, err2 := v.ask(ctx, "Catalogue", catalogueQuery, nil)
	return errors.Join(err1, err2, v.show(ctx, v.box))
}

func (v *visitor) ask(ctx context.Context, name, query string, variables map[string]any) (json.RawMessage, error) {
	return v.read(ctx, v.operation(name, query, variables), v.rnd.IntN(len(v.nodes)))
}

func (v *visitor) operation(name, query string, variables map[string]any) operation {
	return operation{name: name, as: caller{token: v.token}, query: query, variables: variables}
}

func (v *visitor) show(ctx context.Context, box mesa.TrayBox) error {
	data, err := v.ask(ctx, "Tray", trayQuery, map[string]any{"areaId": v.area, "box": box, "first": 20})
	if err != nil {
		return err
	}
	var got struct{ Tray struct{ Nodes []trayed } }
	err = json.Unmarshal(data, &got)
	v.box, v.tray = box, got.Tray.Nodes
	return err
}

func (v *visitor) count(ctx context.Context) error {
	_, err := v.ask(ctx, "TrayCounts", countsQuery, map[string]any{"areaId": v.area})
	return err
}

// open opens a document and tells its version.
func (v *visitor) open(ctx context.Context, id string) (version int, err error) {
	data, err := v.ask(ctx, "Document", documentQuery, map[string]any{"id": id})
	if err != nil {
		return 0, err
	}
	var got struct{ Node struct{ Version int } }
	err = json.Unmarshal(data, &got)
	return got.Node.Version, err
}

// pick is a place in a list of n.
func (v *visitor) pick(n int) int { return int(v.zipf.Uint64()) % n }

func (v *visitor) look(ctx context.Context) error {
	if len(v.tray) > 0 {
		if _, err := v.open(ctx, v.tray[v.pick(len(v.tray))].Document.ID); err != nil {
			return err
		}
	}
	return v.show(ctx, v.box)
}

// list asks for the first page of one of the usual lists and, every other time, opens a document of it.
func (v *visitor) list(ctx context.Context) error {
	filters := []map[string]any{
		{"areaId": v.area, "states": []string{"IN_PROCESS"}},
		{"areaId": v.area, "areaMode": "EVER"},
		{"states": []string{"IN_PROCESS"}},
		{"states": []string{"REGISTERED"}},
		{"areaId": v.area, "overdue": true},
	}
	data, err := v.ask(ctx, "Documents", totalQuery, map[string]any{"filter": filters[v.pick(len(filters))], "first": 20})
	if err != nil {
		return err
	}
	var got struct {
		Documents struct{ Nodes []struct{ ID string } }
	}
	if err := json.Unmarshal(data, &got); err != nil {
		return err
	}
	nodes := got.Documents.Nodes
	if len(nodes) == 0 || v.rnd.IntN(2) == 0 {
		return nil
	}
	_, err = v.open(ctx, nodes[v.pick(len(nodes))].ID)
	return err
}

// figures are those of the area for those who work in one, and else of the institution.
func (v *visitor) figures(ctx context.Context) error {
	var variables map[string]any
	if v.group == staff || v.group == heads {
		variables = map[string]any{"filter": map[string]any{"areaId": v.area}}
	}
	_, err := v.ask(ctx, "Statistics", figuresQuery, variables)
	return err
}

// deed is a piece of work; it is not done when the tray has nothing for it.
type deed func(*visitor, context.Context) (done bool, err error)

// deeds are what people do, in a hundred.
var deeds = map[group][]weighted[deed]{
	desks: {{(*visitor).register, 45}, {(*visitor).derive, 40}, {(*visitor).update, 10}, {(*visitor).follow, 5}},
	staff: {{(*visitor).receive, 40}, {(*visitor).attend, 35}, {(*visitor).derive, 15}, {(*visitor).follow, 10}},
	heads: {{(*visitor).receive, 35}, {(*visitor).attend, 30}, {(*visitor).derive, 20}, {(*visitor).update, 10}, {(*visitor).follow, 5}},
}

// work does a piece of work: what was drawn or, when the tray has nothing for it, the first thing that can be done.
func (v *visitor) work(ctx context.Context) error {
	done, err := draw(v.rnd, deeds[v.group])(v, ctx)
	for _, d := range deeds[v.group] {
		if done || err != nil {
			break
		}
		done, err = d.what(v, ctx)
	}
	if err != nil {
		return err
	}
	return v.show(ctx, v.box)
}

// take goes to a tray and takes an item out of it, nil when it is empty.
func (v *visitor) take(ctx context.Context, box mesa.TrayBox) (*trayed, error) {
	if v.box != box {
		if err := v.show(ctx, box); err != nil {
			return nil, err
		}
	}
	if len(v.tray) == 0 {
		return nil, nil
	}
	i := v.pick(len(v.tray))
	item := v.tray[i]
	v.tray = slices.Delete(slices.Clone(v.tray), i, i+1)
	return &item, nil
}

func (v *visitor) register(ctx context.Context) (bool, error) {
	input := map[string]any{
		"typeId": v.types[v.rnd.IntN(len(v.types))], "subject": fmt.Sprintf("Solicita reparación de baches en el kilómetro %d", v.rnd.IntN(900)), "folios": 1 + v.rnd.IntN(9),
		"sender": map[string]any{"kind": "PERSON", "idType": "DNI", "idNumber": fmt.Sprintf("%08d", 10_000_000+v.rnd.IntN(60_000_000)), "name": "María Quispe Huamán"},
	}
	data, err := v.write(ctx, v.operation("Register", registerMutation, map[string]any{"input": input}), v.rnd.IntN(len(v.nodes)))
	if err != nil || data == nil {
		return true, err
	}
	var got struct {
		RegisterDocument struct{ Document struct{ ID string } }
	}
	if err := json.Unmarshal(data, &got); err != nil {
		return true, err
	}
	_, err = v.open(ctx, got.RegisterDocument.Document.ID)
	return true, err
}

// act takes a document out of a tray, looks at it, does something and looks again.
func (v *visitor) act(ctx context.Context, box mesa.TrayBox, name, mutation string, variables func(item *trayed, version int) map[string]any) (bool, error) {
	item, err := v.take(ctx, box)
	if err != nil || item == nil {
		return false, err
	}
	version, err := v.open(ctx, item.Document.ID)
	if err != nil {
		return true, err
	}
	if _, err := v.write(ctx, v.operation(name, mutation, variables(item, version)), v.rnd.IntN(len(v.nodes))); err != nil {
		return true, err
	}
	_, err = v.open(ctx, item.Document.ID)
	return true, err
}

// home is the tray that a desk or an area works on.
func (v *visitor) home() mesa.TrayBox {
	if v.group == desks {
		return mesa.TrayToDerive
	}
	return mesa.TrayInHand
}

// derive hands on what a desk registered, or an area has in hand.
func (v *visitor) derive(ctx context.Context) (bool, error) {
	return v.act(ctx, v.home(), "Derive", deriveMutation, func(item *trayed, version int) map[string]any {
		to := v.areas[v.rnd.IntN(len(v.areas))]
		for to == v.area {
			to = v.areas[v.rnd.IntN(len(v.areas))]
		}
		target := map[string]any{"areaId": to, "instructions": "Para su atención", "purposeCode": "ATENCION"}
		return map[string]any{"input": map[string]any{"documentId": item.Document.ID, "targets": []any{target}, "expectedVersion": version}}
	})
}

func (v *visitor) receive(ctx context.Context) (bool, error) {
	return v.act(ctx, mesa.TrayToReceive, "Receive", receiveMutation, func(item *trayed, _ int) map[string]any {
		return map[string]any{"id": item.Derivation.ID}
	})
}

func (v *visitor) attend(ctx context.Context) (bool, error) {
	return v.act(ctx, mesa.TrayInHand, "Attend", attendMutation, func(item *trayed, _ int) map[string]any {
		return map[string]any{"input": map[string]any{"derivationId": item.Derivation.ID, "closingNotes": "Se respondió con carta.", "outcome": "RESPONDED"}}
	})
}

func (v *visitor) update(ctx context.Context) (bool, error) {
	return v.act(ctx, v.home(), "Update", updateMutation, func(item *trayed, version int) map[string]any {
		notes := fmt.Sprintf("Revisado, %d folios", v.rnd.IntN(100))
		return map[string]any{"input": map[string]any{"documentId": item.Document.ID, "notes": notes, "expectedVersion": version}}
	})
}

func (v *visitor) follow(ctx context.Context) (bool, error) {
	return v.act(ctx, v.home(), "Watch", watchMutation, func(item *trayed, _ int) map[string]any {
		return map[string]any{"id": item.Document.ID}
	})
}

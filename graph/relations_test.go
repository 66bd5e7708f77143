package graph_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/mesa"
)

// A relation costs as many statements for 200 parents as for 10, on both databases and for every relation of the schema: the walk
// finds them by itself, so a new field is tested as soon as it is in the schema. There are no exceptions.
func TestRelationsCostTheSameForAnyNumberOfParents(t *testing.T) {
	eachHistory(t, func(t *testing.T, url string) {
		t.Parallel()
		w := open(t, url)
		w.relateAccounts(t)
		token := w.token("auditor") // sees everything, accounts too by now
		proven := map[string]string{}
		for _, root := range roots {
			for _, r := range relations(root.list, root.of) {
				if proven[r.name] != "ok" {
					proven[r.name] = w.compare(t, r, token)
				}
			}
		}
		if len(proven) < 40 {
			t.Errorf("the walk found only %d relations", len(proven))
		}
		for name, result := range proven {
			if result != "ok" {
				t.Errorf("%s: %s", name, result)
			}
		}
	})
}

// relateAccounts gives those who registered documents rights of all sorts, and the auditor those to see them, but no confidential documents: reads of
// these are recorded, by statements of their own.
func (w *world) relateAccounts(t *testing.T) {
	t.Helper()
	admin, desk1 := w.actor("admin"), w.area(t, "MP")
	_, err := w.desk.GrantRole(t.Context(), admin, desk.RoleInput{UserID: w.actor("auditor").UserID, Role: mesa.Admin})
	_, denied := w.desk.OverridePermission(t.Context(), admin, desk.OverridePermissionInput{UserID: w.actor("auditor").UserID, Permission: mesa.MayReadConfidential, Effect: mesa.Deny, Reason: "No hace falta aquí"})
	err = errors.Join(err, denied)
	for _, who := range []string{"mesa1", "mesa2", "jefe.mesa"} {
		id := w.actor(who).UserID
		_, granted := w.desk.GrantRole(t.Context(), admin, desk.RoleInput{UserID: id, Role: mesa.AreaUser, AreaID: desk1})
		_, overridden := w.desk.OverridePermission(t.Context(), admin, desk.OverridePermissionInput{UserID: id, Permission: mesa.MayReadStatistics, AreaID: desk1, Effect: mesa.Grant, Reason: "Reemplaza a la jefa"})
		err = errors.Join(err, granted, overridden)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// compare says "ok" when the relation was there and cost the same for 10 parents as for 200.
func (w *world) compare(t *testing.T, r relation, token string) string {
	ask := func(n int) (statements, parents, loaded int) {
		q := strings.NewReplacer("{n}", fmt.Sprint(n), "{logistics}", string(w.area(t, "LOG"))).Replace(r.query)
		a := w.must(t, request{query: q, token: token})
		parents, loaded = r.count(a.data)
		return a.statements, parents, loaded
	}
	few, fewParents, fewLoaded := ask(10)
	if fewLoaded == 0 {
		return "null everywhere, which proves nothing: " + r.query
	}
	many, manyParents, _ := ask(200)
	if fewParents != 10 || manyParents != 200 {
		t.Errorf("%s: there were %d and %d parents", r.name, fewParents, manyParents)
	}
	if few != many {
		t.Errorf("%s: %d statements for 10 parents, %d for 200: %s", r.name, few, many, r.query)
	}
	return "ok"
}

func (w *world) area(t *testing.T, code string) mesa.AreaID {
	t.Helper()
	cat, err := w.db.Catalogue(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range cat.Areas {
		if a.Code == code {
			return a.ID
		}
	}
	t.Fatalf("no area %s", code)
	return ""
}

// relation is a field whose value is an object, and a query that asks for it of {n} parents.
type relation struct {
	name  string // Type.field
	path  []string
	query string
}

// roots are the lists that can be long: where a walk begins. The first that has the relation in each of its first ten items will do.
var roots = []struct{ list, of string }{
	{"documents(first: {n}, filter: { archived: ONLY }) { nodes", "Document"},
	{"documents(first: {n}) { nodes", "Document"},
	{"tray(areaId: \"{logistics}\", box: TO_RECEIVE, first: {n}) { nodes", "TrayItem"},
}

// relations walks the schema from a root, breadth first, and finds each field of an object type once, by its shortest path.
func relations(list, of string) (found []relation) {
	type place struct {
		open  string   // the text up to the selection of this object, braces open
		path  []string // field names
		def   *ast.Definition
		depth int
	}
	name, _, _ := strings.Cut(list, "(")
	queue := []place{{"{ " + list + " {", []string{name, "nodes"}, schema.Types[of], 3}}
	seen := map[string]bool{}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if seen[at.def.Name] {
			continue
		}
		seen[at.def.Name] = true
		for _, field := range at.def.Fields {
			def := schema.Types[field.Type.Name()]
			if def.Kind != ast.Object && def.Kind != ast.Interface || strings.HasPrefix(field.Name, "__") {
				continue
			}
			open := at.open + " " + field.Name
			if field.Arguments.ForName("first") != nil {
				open += "(first: 2)"
			}
			path := append(slices.Clone(at.path), field.Name)
			found = append(found, relation{at.def.Name + "." + field.Name, path, open + " { " + scalars(def) + strings.Repeat(" }", at.depth+1)})
			queue = append(queue, place{open + " {", path, def, at.depth + 1})
		}
	}
	return found
}

// scalars selects every field of a type that has no fields itself: some of them have a resolver, too.
func scalars(def *ast.Definition) string {
	names := []string{"__typename"}
	for _, field := range def.Fields {
		kind := schema.Types[field.Type.Name()].Kind
		if (kind == ast.Scalar || kind == ast.Enum) && !strings.HasPrefix(field.Name, "__") {
			names = append(names, field.Name)
		}
	}
	return strings.Join(names, " ")
}

// count says how many parents an answer has at the root, and how often the relation was there.
func (r relation) count(data map[string]any) (parents, loaded int) {
	list, _ := lookUp(any(data), r.path[0]+"."+r.path[1]).([]any)
	var walk func(v any, path []string) int
	walk = func(v any, path []string) int {
		n := 0
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				n += walk(x, path)
			}
		case map[string]any:
			if len(path) == 0 {
				return 1
			}
			n = walk(v[path[0]], path[1:])
		}
		return n
	}
	return len(list), walk(list, r.path[2:])
}

// relate adds what the demo has too little of: 200 documents that belong with another and wait for an area and a person, the last one
// for the second time, after it had been archived.
func relate(ctx context.Context, database *db.DB) error {
	d := desk.New(database, nil)
	in, err := d.OpenSession(ctx, email("mesa1"))
	if err != nil {
		return err
	}
	cat := in.Actor.Catalogue
	var logistics *mesa.Area
	for _, a := range cat.Areas {
		if a.Code == "LOG" {
			logistics = a
		}
	}
	n := 200
	old, err := database.View(in.Actor).Documents(ctx, mesa.DocumentFilter{}, mesa.LatestFirst, db.Page{First: &n})
	if err != nil {
		return err
	}
	var ids []mesa.DocumentID
	for _, related := range old.Items { // each with another one, which is not on the same page
		doc, err := d.Register(ctx, in.Actor, desk.RegisterDocumentInput{
			TypeID: cat.Types[0].ID, Subject: "Uno de muchos", Folios: 1, RelatedDocumentID: related.ID,
			Sender: desk.SenderInput{Kind: mesa.PersonParty, IDType: mesa.NoID, Name: "Una persona"},
		})
		if err != nil {
			return err
		}
		ids = append(ids, doc.ID)
	}
	for half := range slices.Chunk(ids, desk.MaxBulk) {
		results, err := d.BulkDerive(ctx, in.Actor, desk.BulkDeriveInput{DocumentIDs: half, Targets: []mesa.DerivationTargetInput{
			{AreaID: logistics.ID, Instructions: "Para su atención", PurposeCode: "ATENCION", AssigneeID: logistics.HeadID},
		}})
		if err != nil || results[0].Err != nil {
			return errors.Join(err, results[0].Err)
		}
		if half[len(half)-1] == ids[n-1] {
			return shelveAndRestore(ctx, d, results[len(results)-1].Legs[0])
		}
	}
	return nil
}

func shelveAndRestore(ctx context.Context, d *desk.Desk, leg *mesa.Derivation) error {
	head, err := d.OpenSession(ctx, email("jefe.log"))
	if err != nil {
		return err
	}
	archivist, err := d.OpenSession(ctx, email("archivo1"))
	if err != nil {
		return err
	}
	if _, err := d.Receive(ctx, head.Actor, desk.DerivationInput{DerivationID: leg.ID}); err != nil {
		return err
	}
	if _, _, err := d.Attend(ctx, head.Actor, desk.AttendDerivationInput{DerivationID: leg.ID, ClosingNotes: "Listo"}); err != nil {
		return err
	}
	in := desk.ArchiveDocumentInput{DocumentID: leg.DocumentID, Classification: mesa.ArchiveGeneral, PolicyCode: "Y5"}
	if _, _, err := d.Archive(ctx, archivist.Actor, in); err != nil {
		return err
	}
	_, err = d.Restore(ctx, archivist.Actor, desk.RestoreDocumentInput{DocumentID: leg.DocumentID, AreaID: leg.ToID, Reason: "Faltó una respuesta"})
	return err
}

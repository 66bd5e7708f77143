package db_test

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// named is a query that the product asks, by the code that asks it.
type named struct {
	name string
	ask  func(ctx context.Context, o *office) error
}

func asked[T any](_ T, err error) error { return err }

// listed is a page of documents as the head of the desk sees them.
func listed(name string, by mesa.DocumentOrder, f func(o *office) mesa.DocumentFilter) named {
	return named{name, func(ctx context.Context, o *office) error {
		return asked(o.View(o.head).Documents(ctx, f(o), by, db.Page{First: new(20)}))
	}}
}

func all(*office) mesa.DocumentFilter { return mesa.DocumentFilter{} }

// figure is one of the statistics of 30 days, of one channel so that tallies do not have it.
func figure(name string, ask func(ctx context.Context, f *db.Figures) error) named {
	return figureOf(name, mesa.StatisticsFilter{Channel: mesa.Counter}, ask)
}

func figureOf(name string, filter mesa.StatisticsFilter, ask func(ctx context.Context, f *db.Figures) error) named {
	return named{name, func(ctx context.Context, o *office) error {
		f, err := o.View(o.head).Statistics(ctx, filter)
		if err != nil {
			return err
		}
		return ask(ctx, f)
	}}
}

// writing is what a transaction asks; nothing of it stays.
func writing(name string, ask func(ctx context.Context, o *office, tx *db.Tx) error) named {
	return named{name, func(ctx context.Context, o *office) error {
		err := o.InTx(ctx, func(tx *db.Tx) error { return cmp.Or(ask(ctx, o, tx), errUndo) })
		if errors.Is(err, errUndo) {
			return nil
		}
		return err
	}}
}

var errUndo = errors.New("nothing of it stays")

func namedQueries() []named {
	desc := func(field mesa.DocumentOrderField) mesa.DocumentOrder {
		return mesa.DocumentOrder{Field: field, Direction: mesa.Descending}
	}
	asc := func(field mesa.DocumentOrderField) mesa.DocumentOrder {
		return mesa.DocumentOrder{Field: field, Direction: mesa.Ascending}
	}
	list := []named{
		listed("documents", newest, all),
		{"documents, of an area user", func(ctx context.Context, o *office) error {
			return asked(o.View(o.clerk).Documents(ctx, mesa.DocumentFilter{}, newest, db.Page{First: new(20)}))
		}},
		{"documents, counted", func(ctx context.Context, o *office) error {
			return asked(o.View(o.head).CountDocuments(ctx, mesa.DocumentFilter{}))
		}},
		{"documents, deep page", func(ctx context.Context, o *office) error {
			last := o.documents[len(o.documents)-1]
			f := mesa.DocumentFilter{RegisteredAt: &mesa.DateTimeRange{To: &last.RegisteredAt}}
			page, err := o.View(o.head).Documents(ctx, f, newest, db.Page{First: new(1)})
			if err != nil {
				return err
			}
			return asked(o.View(o.head).Documents(ctx, mesa.DocumentFilter{}, newest, db.Page{First: new(20), After: page.Cursor(page.Items[0])}))
		}},
		listed("documents by filing date", desc(mesa.OrderByFiledOn), all),
		listed("documents by number", desc(mesa.OrderByFileNumber), all),
		listed("documents by due date", asc(mesa.OrderByDueOn), all),
		listed("documents by due date, latest first", desc(mesa.OrderByDueOn), all),
		listed("documents by priority", desc(mesa.OrderByPriority), all),
		listed("documents of a state", newest, func(*office) mesa.DocumentFilter {
			return mesa.DocumentFilter{States: []mesa.DocumentState{mesa.Registered}}
		}),
		listed("documents of a type", newest, func(o *office) mesa.DocumentFilter {
			return mesa.DocumentFilter{Types: []mesa.DocumentTypeID{o.documents[0].TypeID}}
		}),
		listed("documents of an area", newest, func(o *office) mesa.DocumentFilter { return mesa.DocumentFilter{AreaID: o.area} }),
		listed("documents of a sender", newest, func(o *office) mesa.DocumentFilter {
			return mesa.DocumentFilter{SenderIDNumber: string(o.documents[0].Sender.IDNumber)}
		}),
		listed("documents of a registrar", newest, func(o *office) mesa.DocumentFilter {
			return mesa.DocumentFilter{RegisteredByID: o.documents[0].RegisteredByID}
		}),
		listed("documents of an assignee", newest, func(o *office) mesa.DocumentFilter { return mesa.DocumentFilter{AssigneeID: o.clerk.UserID} }),
		listed("documents related to one", newest, func(o *office) mesa.DocumentFilter { return mesa.DocumentFilter{RelatedToID: o.documents[0].ID} }),
		listed("documents with a tag", newest, func(*office) mesa.DocumentFilter { return mesa.DocumentFilter{TagsAll: []string{"urgente"}} }),
		listed("documents overdue", asc(mesa.OrderByDueOn), func(*office) mesa.DocumentFilter { return mesa.DocumentFilter{Overdue: new(true)} }),
		listed("search", newest, func(o *office) mesa.DocumentFilter {
			return mesa.DocumentFilter{Text: string(o.documents[0].FileNumber)}
		}),
		{"a document by number", func(ctx context.Context, o *office) error {
			return asked(o.View(o.head).Document(ctx, db.DocumentBy{FileNumber: string(o.documents[0].FileNumber)}))
		}},
		{"a document by tracking code", func(ctx context.Context, o *office) error {
			return asked(o.View(o.head).Document(ctx, db.DocumentBy{TrackingCode: string(o.documents[0].TrackingCode)}))
		}},
		{"documents by id", func(ctx context.Context, o *office) error { return asked(o.View(o.clerk).DocumentsByID(ctx, o.ids())) }},
		{"derivations of documents", func(ctx context.Context, o *office) error { return asked(o.View(o.head).LegsByDocument(ctx, o.ids())) }},
		{"derivations of documents, a page each", func(ctx context.Context, o *office) error {
			return asked(o.View(o.head).DerivationPages(ctx, o.pages(true)))
		}},
		{"timelines of documents", func(ctx context.Context, o *office) error {
			return asked(o.View(o.head).TimelinePages(ctx, o.pages(true)))
		}},
		{"archive records of documents", func(ctx context.Context, o *office) error {
			return asked(o.View(o.head).ArchiveRecordsByDocument(ctx, o.ids()[:5]))
		}},
		{"messages of a document", func(ctx context.Context, o *office) error { return asked(o.MessagesOfDocument(ctx, o.documents[0].ID)) }},
		{"a document that was handed in", func(ctx context.Context, o *office) error {
			_, err := o.View(mesa.NewMachine(o.clerk.Catalogue, &mesa.APIKey{ID: "key_1"})).Submission(ctx, "x")
			if mesa.CodeOf(err) != mesa.NotFound {
				return err
			}
			return nil
		}},
		{"work assigned to somebody", func(ctx context.Context, o *office) error {
			return asked(o.View(o.head).AssignedTo(ctx, o.clerk.UserID))
		}},
		{"members of an area", func(ctx context.Context, o *office) error { return asked(o.View(o.head).AreaMembers(ctx, o.area)) }},
		{"counts of the trays", func(ctx context.Context, o *office) error { return asked(o.View(o.clerk).TrayCounts(ctx, o.area)) }},
		figure("statistics: received", func(ctx context.Context, f *db.Figures) error { return asked(f.Received(ctx)) }),
		figure("statistics: by kind", func(ctx context.Context, f *db.Figures) error { return asked(f.ByPriority(ctx)) }),
		figure("statistics: open now", func(ctx context.Context, f *db.Figures) error { return asked(f.ReceivedToday(ctx)) }),
		figure("statistics: attended", func(ctx context.Context, f *db.Figures) error { return asked(f.Attended(ctx)) }),
		figure("statistics: hours of attention", func(ctx context.Context, f *db.Figures) error { return asked(f.AttentionHours(ctx)) }),
		figure("statistics: derivations", func(ctx context.Context, f *db.Figures) error { return asked(f.Hops(ctx)) }),
		figure("statistics: areas", func(ctx context.Context, f *db.Figures) error { return asked(f.Areas(ctx, nil)) }),
		figureOf("statistics: everything", mesa.StatisticsFilter{}, func(ctx context.Context, f *db.Figures) error { return f.Read(ctx) }),
		{"rows of a report", func(ctx context.Context, o *office) error {
			n := 0
			for _, err := range o.View(o.head).EachDocument(ctx, mesa.DocumentFilter{}, newest) {
				if n++; err != nil || n == 1500 {
					return err
				}
			}
			return nil
		}},
		{"deadlines to tell of", func(ctx context.Context, o *office) error { return asked(o.NoteDeadlines(ctx, 1)) }},
		{"what somebody was given in person", func(ctx context.Context, o *office) error { return asked(o.SeesMore(ctx, o.clerk)) }},
		{"events after a place", func(ctx context.Context, o *office) error {
			end, err := o.TailEnd(ctx)
			if err != nil {
				return err
			}
			return asked(o.EventsAfter(ctx, db.Tail{Tx: end.Tx, Seq: end.Seq - 100}, 100))
		}},
		{"end of the events", func(ctx context.Context, o *office) error { return asked(o.TailEnd(ctx)) }},
		{"journal after a place", func(ctx context.Context, o *office) error {
			place, err := o.JournalEnd(ctx)
			if err != nil {
				return err
			}
			if _, err = o.JournalHolds(ctx, place); err != nil {
				return err
			}
			_, _, err = o.JournalAfter(ctx, place, 100)
			return err
		}},
		{"events to seal", func(ctx context.Context, o *office) error {
			_, _, err := o.SealEvents(ctx)
			return err
		}},
		{"lag of the seals", func(ctx context.Context, o *office) error { return asked(o.SealStanding(ctx)) }},
		{"audit trail", func(ctx context.Context, o *office) error {
			from := planNow.AddDate(0, 0, -7)
			return asked(o.AuditEntries(ctx, mesa.AuditFilter{At: &mesa.DateTimeRange{From: &from}}, db.Page{First: new(20)}))
		}},
		{"audit trail of a document", func(ctx context.Context, o *office) error {
			return asked(o.AuditEntries(ctx, mesa.AuditFilter{DocumentID: o.documents[0].ID}, db.Page{First: new(20)}))
		}},
		{"whose session it is", func(ctx context.Context, o *office) error {
			if _, err := o.Actor(ctx, "nobody's"); mesa.CodeOf(err) != mesa.Unauthenticated {
				return err
			}
			return nil
		}},
		{"failed sign-ins of an account", func(ctx context.Context, o *office) error {
			return asked(o.SignInFailures(ctx, "x", planNow))
		}},
		writing("end the sessions of an account", func(ctx context.Context, o *office, tx *db.Tx) error { return tx.EndSessions(ctx, o.clerk.UserID, "") }),
		{"forget refresh tokens", func(ctx context.Context, o *office) error { return asked(o.ForgetRefreshTokens(ctx, 1)) }},
		{"forget idempotency keys", func(ctx context.Context, o *office) error { return asked(o.ForgetIdempotencyKeys(ctx, 1)) }},
		{"forget calls to others", func(ctx context.Context, o *office) error { return asked(o.ForgetAttempts(ctx, 1)) }},
		{"look for jobs", func(ctx context.Context, o *office) error { return asked(o.HasDue(ctx, "default")) }},
		{"claim jobs", func(ctx context.Context, o *office) error {
			return asked(o.ClaimJobs(ctx, db.Claim{Worker: "wrk_2", Lease: time.Hour, Queue: "default", Limit: 1}))
		}},
		{"rescue jobs", func(ctx context.Context, o *office) error { return asked(o.RescueJobs(ctx, "wrk_3")) }},
		{"workers with jobs", func(ctx context.Context, o *office) error { return asked(o.RunningWorkers(ctx)) }},
		{"announce jobs", func(ctx context.Context, o *office) error { return asked(o.AnnounceJobs(ctx, 1)) }},
		{"forget jobs", func(ctx context.Context, o *office) error { return asked(o.ForgetJobs(ctx, 1)) }},
		{"standing of the queues", func(ctx context.Context, o *office) error { return asked(o.Queues(ctx)) }},
		{"jobs, newest first", func(ctx context.Context, o *office) error {
			return asked(o.Jobs(ctx, mesa.JobFilter{}, db.Page{First: new(20)}))
		}},
		{"attempts of jobs", func(ctx context.Context, o *office) error { return asked(o.AttemptsByJob(ctx, []mesa.JobID{o.job.ID})) }},
		{"reports of somebody", func(ctx context.Context, o *office) error {
			return asked(o.Reports(ctx, o.clerk.UserID, db.Page{First: new(20)}))
		}},
		writing("unfinished reports of somebody", func(ctx context.Context, o *office, tx *db.Tx) error {
			return asked(tx.LiveReports(ctx, o.clerk.UserID))
		}),
		{"reports to let go of", func(ctx context.Context, o *office) error { return asked(o.ExpireReports(ctx, 1)) }},
		{"files that reports lead to", func(ctx context.Context, o *office) error {
			return asked(o.KnownFiles(ctx, []string{"file-7", "file-x"}))
		}},
		{"messages of integrations", func(ctx context.Context, o *office) error {
			return asked(o.View(o.clerk).MessagePages(ctx, []db.ChildPage[mesa.IntegrationID]{{Parent: o.integration, First: 20}}))
		}},
		{"messages to follow", func(ctx context.Context, o *office) error { return asked(o.MessagesToFollow(ctx, o.integration, 20)) }},
		{"messages that nobody will send", func(ctx context.Context, o *office) error { return asked(o.Orphans(ctx, 20)) }},
	}
	for _, box := range mesa.TrayBoxes {
		list = append(list, named{"tray " + string(box), func(ctx context.Context, o *office) error {
			return asked(o.View(o.clerk).Tray(ctx, o.area, box, db.Page{First: new(20), WithTotal: true}))
		}})
	}
	return list
}

func (o *office) pages(total bool) (keys []db.ChildPage[mesa.DocumentID]) {
	for _, id := range o.ids() {
		keys = append(keys, db.ChildPage[mesa.DocumentID]{Parent: id, First: 10, WithTotal: total})
	}
	return keys
}

// large are the tables that grow.
var large = []string{"documents", "document_access", "derivations", "archive_records", "events", "seals", "parties", "jobs", "job_attempts", "report_runs",
	"sessions", "refresh_tokens", "idempotency_keys", "sign_in_failures", "memberships", "exchange_messages", "exchange_attempts", "tallies"}

// wholly are the large tables that a named query may read from one end on, and why.
var wholly = map[string][]string{
	"documents, counted":             {"documents"},       // every row may be visible or not; where there are many they are counted in an index
	"statistics: derivations":        {"derivations"},     // PostgreSQL would rather read all legs once than those of a tenth of the documents one by one
	"statistics: areas":              {"documents"},       // a small table of documents is joined at once
	"counts of the trays":            {"documents"},       // a small table of documents is read at once for the tray ATTENDED
	"tray ATTENDED":                  {"documents"},       // the same
	"unfinished reports of somebody": {"jobs"},            // a small table of jobs is
	"events to seal":                 {"events", "seals"}, // whether any has no seal: the first row has none as long as most have none; SQLite calls a walk to the last row a scan
	"lag of the seals":               {"seals"},           // the walk to the last row
	"end of the events":              {"events"},          // the same
	"events after a place":           {"events"},          // the same
	"journal after a place":          {"events"},          // the same
}

// use is one step of a plan that reads a table.
type use struct {
	index, node string
	ms          float64
}

var (
	byIndex  = regexp.MustCompile(`(?m)^ *((?:Index|Bitmap Index)[\w ]* by (\w+))|^ *((?:SEARCH|SCAN) \w+(?: EXISTS)? USING (?:COVERING )?INDEX (\w+)[^\n]*)`)
	allOf    = regexp.MustCompile(`(?m)Seq Scan on (\w+)|^ *SCAN (\w+)$`)
	searched = regexp.MustCompile(`SCAN (documents_search) VIRTUAL`)
	aliases  = regexp.MustCompile(`(?i)(?:FROM|JOIN) "?(\w+)"? AS "?(\w+)"?`)
)

// usesOf lists the indexes that statements use, and the tables that they read wholly.
func usesOf(statements []*mesa.ExplainedStatement) (uses []use, whole []string) {
	for _, s := range statements {
		for _, m := range byIndex.FindAllStringSubmatch(s.Plan, -1) {
			uses = append(uses, use{index: m[2] + m[4], node: m[1] + m[3], ms: s.DurationMs})
		}
		if searched.MatchString(s.Plan) {
			uses = append(uses, use{index: "documents_search", node: "full text", ms: s.DurationMs})
		}
		for _, m := range allOf.FindAllStringSubmatch(s.Plan, -1) {
			table := m[1] + m[2]
			for _, alias := range aliases.FindAllStringSubmatch(s.SQL, -1) {
				if alias[2] == table {
					table = alias[1]
				}
			}
			if slices.Contains(large, table) {
				whole = append(whole, table)
			}
		}
	}
	return uses, whole
}

// explained asks a named query and says how it was answered. It is asked twice, so that times are those with pages in memory.
func (o *office) explained(t *testing.T, q named) []*mesa.ExplainedStatement {
	t.Helper()
	if err := q.ask(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ctx, recording := db.RecordStatements(t.Context())
	if err := q.ask(ctx, o); err != nil {
		t.Fatal(err)
	}
	statements, err := o.Explain(t.Context(), recording)
	if err != nil {
		t.Fatal(err)
	}
	return statements
}

// The planner chooses the indexes of the catalogue for the queries that they are there for, and reads no large table wholly.
func TestEveryNamedQueryUsesItsIndexes(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		list, err := o.Indexes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		proven := map[string]use{}
		for _, q := range namedQueries() {
			t.Run(q.name, func(t *testing.T) {
				statements := o.explained(t, q)
				uses, whole := usesOf(statements)
				for _, table := range whole {
					if !slices.Contains(wholly[q.name], table) {
						t.Errorf("it reads all of %s", table)
					}
				}
				for _, i := range list {
					if !slices.Contains(i.Serves, q.name) {
						continue
					}
					at := slices.IndexFunc(uses, func(u use) bool { return u.index == i.Name })
					if at < 0 {
						t.Errorf("it does not use %s", i.Name)
					} else if i.Serves[0] == q.name {
						proven[i.Name] = uses[at]
					}
				}
				for _, s := range statements {
					if t.Failed() || *planTable {
						t.Logf("%.2f ms, %d rows\n%s\n%s", s.DurationMs, s.Rows, s.SQL, s.Plan)
					}
				}
			})
		}
		for _, i := range list {
			if _, ok := proven[i.Name]; !ok && len(i.Serves) > 0 && !t.Failed() {
				t.Errorf("no named query is %q, which %s is said to serve", i.Serves[0], i.Name)
			}
		}
		if *planTable {
			o.printTable(t, list, proven)
		}
	})
}

package db_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

var (
	planDocuments = flag.Int("plan-documents", 5000, "how many documents the planner chooses over")
	planAt        = flag.String("plan-at", "", "URL of the one database to ask; it is filled when it is empty, and kept")
	planTable     = flag.Bool("plan-table", false, "print the table of docs/performance.md, and all plans")
)

// planNow is the instant that these databases live in, so that every run sees the same data on the same day.
var planNow = time.Date(2026, time.November, 20, 17, 0, 0, 0, time.UTC)

// office is a database large enough for its planner to choose, with what named queries ask for.
type office struct {
	url string
	*db.DB
	clerk, head, admin *mesa.Actor
	area               mesa.AreaID
	documents          []*mesa.Document // some recent ones
	job                *mesa.Job
	integration        mesa.IntegrationID
}

// eachOffice runs body on both databases, or on the one that a flag names.
func eachOffice(t *testing.T, body func(t *testing.T, o *office)) {
	prepare := func(url string) { fillOffice(t, url) }
	if *planAt != "" {
		prepare(*planAt)
		body(t, openOffice(t, *planAt))
		return
	}
	testkit.EachClone(t, "office", prepare, func(t *testing.T, url string) { body(t, openOffice(t, url)) })
}

func connectOffice(t *testing.T, url string) *db.DB {
	t.Helper()
	database, err := db.Open(t.Context(), url, db.Options{Now: func() time.Time { return planNow }})
	if err != nil {
		t.Fatal(err)
	}
	return database
}

// fillOffice makes the data, unless it is there already.
func fillOffice(t *testing.T, url string) {
	database := connectOffice(t, url)
	defer database.Close()
	begun, ctx := time.Now(), t.Context()
	_, err := database.Migrate(ctx)
	if err == nil {
		_, _, err = demo.Create(ctx, database, demo.Options{Seed: 1, Documents: -1})
	}
	given, errNumbers := database.NumbersGiven(ctx)
	if err = errors.Join(err, errNumbers); err == nil && given == 0 {
		_, err = demo.Seed(ctx, database, demo.SeedOptions{Documents: *planDocuments, Legs: 3, Seed: 1})
	}
	if err == nil {
		err = fillBesides(ctx, database)
	}
	if err == nil {
		err = database.Upkeep(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: filled in %v", database.Backend(), time.Since(begun).Round(time.Second/10))
}

// besides is how many rows each table beside the documents' own gets.
const besides = 4000

// fillBesides adds work in the background, sessions, reports and messages to other institutions.
func fillBesides(ctx context.Context, database *db.DB) error {
	if known, err := database.Jobs(ctx, mesa.JobFilter{}, db.Page{}); err != nil || len(known.Items) > 0 {
		return err
	}
	cat, err := database.Catalogue(ctx, 0)
	if err != nil {
		return err
	}
	admin, err := database.ActorOf(ctx, cat.Users[0].ID)
	if err != nil {
		return err
	}
	docs, err := database.View(admin).Documents(ctx, mesa.DocumentFilter{}, newest, db.Page{First: new(200)})
	if err != nil {
		return err
	}
	for range 8 {
		if _, _, err := database.SealEvents(ctx); err != nil {
			return err
		}
	}
	return database.InTx(ctx, func(tx *db.Tx) error {
		ids, at := tx.IDs(), planNow.AddDate(0, 0, -1)
		states := []mesa.ExchangeState{mesa.MessageSent, mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageDead,
			mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageRegistered}
		var (
			others   []*mesa.Integration
			users    []*mesa.User
			members  []*mesa.Membership
			jobs     []*mesa.Job
			attempts []*mesa.JobAttempt
			runs     []*mesa.ReportRun
			sessions []*mesa.Session
			tokens   []*mesa.RefreshToken
			messages []*mesa.ExchangeMessage
			calls    []*mesa.ExchangeAttempt
		)
		for i := range 20 {
			others = append(others, &mesa.Integration{ID: ids.Integration(at), Code: fmt.Sprintf("OTRA-%d", i), Kind: mesa.KindMesa, BaseURL: "https://otra.example",
				Health: mesa.HealthOK, CreatedAt: at, UpdatedAt: at})
		}
		for i := range besides {
			users = append(users, &mesa.User{ID: ids.User(at), Email: fmt.Sprintf("%d@otra.example", i), FullName: "Otra persona", CreatedAt: at})
			members = append(members, &mesa.Membership{UserID: users[i].ID, AreaID: cat.Areas[i%len(cat.Areas)].ID, IsPrimary: true, FromOn: cat.Today(at)})
			hash, user := sha256.Sum256(fmt.Append(nil, i)), cat.Users[i%len(cat.Users)].ID
			ended := at.Add(time.Duration(i) * time.Second)
			expires, state, key := ended.AddDate(0, 0, 7), mesa.JobSucceeded, mesa.Text("")
			if i%100 == 0 {
				state = []mesa.JobState{mesa.JobQueued, mesa.JobFailed, mesa.JobQueued, mesa.JobRunning}[i/100%4]
				key = mesa.Text(fmt.Sprintf("key-%d", i))
			}
			job := &mesa.Job{ID: ids.Job(at), Kind: mesa.JobReport, Queue: mesa.JobQueues[i%len(mesa.JobQueues)].Name, Priority: 1 + i%3, State: state, MaxAttempts: 3,
				CreatedAt: at, RunAt: at, Args: []byte("{}"), UniqueKey: key, ExclusiveKey: key, RequestedByID: user}
			if state == mesa.JobSucceeded {
				job.ExpiresAt = &expires
			} else if state == mesa.JobRunning {
				job.Worker, job.LeaseUntil, job.ClaimedAt, job.StartedAt = "wrk_1", &expires, &ended, &ended
			}
			jobs = append(jobs, job)
			attempts = append(attempts, &mesa.JobAttempt{JobID: job.ID, Epoch: 1, Worker: "wrk_1", StartedAt: at, EndedAt: &ended, Outcome: mesa.AttemptSucceeded})
			runs = append(runs, &mesa.ReportRun{ID: ids.Report(at), JobID: job.ID, Type: "DOCUMENTS", Format: "CSV", Parameters: []byte("{}"), RequestedByID: user, RequestedAt: at,
				StorageKey: mesa.Text(fmt.Sprintf("file-%d", i)), ExpiresAt: &expires})
			sessions = append(sessions, &mesa.Session{ID: ids.Session(at), TokenHash: hash[:], UserID: user, CreatedAt: at, ExpiresAt: expires})
			tokens = append(tokens, &mesa.RefreshToken{TokenHash: hash[:], SessionID: sessions[i].ID, CreatedAt: at, ExpiresAt: expires})
			message := &mesa.ExchangeMessage{ID: ids.Message(at), ExchangeCode: fmt.Sprintf("MSG-%d", i), IntegrationID: others[i%len(others)].ID, DocumentID: docs.Items[i/len(others)].ID,
				Direction: mesa.DirectionOut, State: states[i/len(others)%10], JobID: job.ID, CreatedAt: at, UpdatedAt: at}
			messages = append(messages, message)
			calls = append(calls, &mesa.ExchangeAttempt{MessageID: message.ID, N: 1, Kind: mesa.AttemptToSend, At: at, ErrorCode: "TIMEOUT"})
		}
		for _, rows := range []any{&users, &members, &others, &jobs, &attempts, &runs, &sessions, &tokens, &messages, &calls} {
			if _, err := tx.NewInsert().Model(rows).Returning("NULL").Exec(ctx); err != nil {
				return err
			}
		}
		_, err := tx.NewRaw("INSERT INTO idempotency_keys (actor_id, key, input_hash, result, created_at) SELECT user_id, id, token_hash, 'null', created_at FROM sessions").Exec(ctx)
		if err == nil {
			_, err = tx.NewRaw("INSERT INTO sign_in_failures (email, at) SELECT id, created_at FROM sessions").Exec(ctx)
		}
		return err
	})
}

var newest = mesa.DocumentOrder{Field: mesa.OrderByRegisteredAt, Direction: mesa.Descending}

func openOffice(t *testing.T, url string) *office {
	t.Helper()
	o := &office{url: url, DB: connectOffice(t, url)}
	t.Cleanup(func() { _ = o.Close() })
	for email, actor := range map[string]**mesa.Actor{"som1": &o.clerk, "jefe.mesa": &o.head, "admin": &o.admin} {
		user, err := o.UserByEmail(t.Context(), email+"@demo.mesa.pe")
		if err == nil {
			*actor, err = o.ActorOf(t.Context(), user.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	o.area = o.clerk.Areas[0]
	docs, err := o.View(o.head).Documents(t.Context(), mesa.DocumentFilter{States: []mesa.DocumentState{mesa.Archived}}, newest, db.Page{First: new(50)})
	if err != nil {
		t.Fatal(err)
	}
	o.documents = docs.Items
	jobs, err := o.Jobs(t.Context(), mesa.JobFilter{States: []mesa.JobState{mesa.JobSucceeded}}, db.Page{First: new(1)})
	if err != nil {
		t.Fatal(err)
	}
	o.job = jobs.Items[0]
	integrations, err := o.AllIntegrations(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	o.integration = integrations[0].ID
	return o
}

func (o *office) ids() []mesa.DocumentID {
	ids := make([]mesa.DocumentID, len(o.documents))
	for i, d := range o.documents {
		ids[i] = d.ID
	}
	return ids
}

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

// figure is one of the statistics of 30 days.
func figure(name string, ask func(ctx context.Context, f *db.Figures) error) named {
	return named{name, func(ctx context.Context, o *office) error {
		f, err := o.View(o.head).Statistics(ctx, mesa.StatisticsFilter{})
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
			return asked(o.MessagePages(ctx, []db.ChildPage[mesa.IntegrationID]{{Parent: o.integration, First: 20}}))
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
	"sessions", "refresh_tokens", "idempotency_keys", "sign_in_failures", "memberships", "exchange_messages", "exchange_attempts"}

// wholly are the large tables that a named query may read from one end on, and why.
var wholly = map[string][]string{
	"documents, counted":             {"documents"},       // every row may be visible or not; where there are many they are counted in an index
	"documents with a tag":           {"documents"},       // SQLite has no index on what is in lists
	"statistics: derivations":        {"derivations"},     // PostgreSQL would rather read all legs once than those of a tenth of the documents one by one
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

// printTable prints what docs/performance.md has: index, query, plan node, time, size and what the index adds to writing 1,000 rows.
func (o *office) printTable(t *testing.T, list []*db.Index, proven map[string]use) {
	sizes, err := o.IndexSizes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, i := range list {
		if i.Definition == "" {
			continue
		}
		query, node, ms := i.Rule, "–", "–"
		if u, ok := proven[i.Name]; ok {
			query, node, ms = i.Serves[0], u.node, fmt.Sprintf("%.1f", u.ms)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.1f | %s |\n", i.Name, query, node, ms, float64(sizes[i.Name])/(1<<20), o.cost(t, i))
	}
	fmt.Printf("\n%s, %d documents\n\n%s\n", o.Backend(), *planDocuments, b.String())
}

// costRows is how many rows are written to see what an index costs.
const costRows = 20_000

// cost measures the milliseconds that an index adds to inserting 1,000 rows of its table: the latest rows go into a table without any index
// and into one with this index alone, five times each, and the fastest count. "–" when the table has few rows.
func (o *office) cost(t *testing.T, i *db.Index) string {
	fastest := map[bool]time.Duration{}
	var n int64
	for round := range 10 {
		withIndex := round%2 == 0
		err := o.InTx(t.Context(), func(tx *db.Tx) error {
			run := func(statement string) error {
				result, err := tx.NewRaw(statement).Exec(t.Context())
				if err == nil {
					n, _ = result.RowsAffected()
				}
				return err
			}
			if err := run("CREATE TABLE scratch AS SELECT * FROM " + i.Table + " LIMIT 0"); err != nil {
				return err
			}
			if withIndex {
				definition := strings.Replace(strings.Replace(i.Definition, i.Name, "scratch_index", 1), "public.", "", 1)
				if err := run(strings.Replace(definition, " ON "+i.Table, " ON scratch", 1)); err != nil {
					return err
				}
			}
			begun := time.Now()
			if err := run(fmt.Sprintf("INSERT INTO scratch SELECT * FROM %s LIMIT %d", i.Table, costRows)); err != nil {
				return err
			}
			if took := time.Since(begun); fastest[withIndex] == 0 || took < fastest[withIndex] {
				fastest[withIndex] = took
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Fatal(err)
		}
	}
	if n < costRows {
		return "–"
	}
	return fmt.Sprintf("%.1f", max(0, float64((fastest[true]-fastest[false]).Microseconds())*1000/costRows/1000))
}

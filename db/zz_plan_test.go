package db

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

func TestZZPlan(t *testing.T) {
	for _, url := range []string{testkit.SQLiteURL(t)} { func(t *testing.T, url string) {
		ctx := context.Background()
		conn, err := Open(ctx, url, Options{Now: func() time.Time { return time.Date(2026, 3, 18, 15, 0, 0, 0, time.UTC) }})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		pg := conn.Backend() == "postgres"
		exec := func(q string) {
			s := time.Now()
			if _, err := conn.write.DB.ExecContext(ctx, q); err != nil {
				t.Fatal(err, q[:80])
			}
			if d := time.Since(s); d > time.Second {
				t.Log("took", d)
			}
		}
		exec("INSERT INTO institutions VALUES (1,'a','b','c','America/Lima','es-PE',NULL,'SAME_DAY_24H','16:00',30,5)")
		exec("INSERT INTO document_types VALUES ('t0','T','T',true,NULL,'PUBLIC',true)")
		for i := 0; i < 20; i++ {
			exec(fmt.Sprintf("INSERT INTO areas VALUES ('a%d','A%d','N%d',NULL,NULL,NULL,false,true)", i, i, i))
		}
		const N = 200000
		gen := "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM g WHERE i < 200000)"
		day, at := "date('2026-03-18', '-' || ((200000-i)/200) || ' days')", "datetime('2026-03-18 14:00:00', '-' || ((200000-i)/200) || ' days') || '+00:00'"
		if pg {
			day, at = "DATE '2026-03-18' - ((200000-i)/200)", "TIMESTAMPTZ '2026-03-18 14:00:00Z' - ((200000-i)/200) * interval '1 day'"
		}
		tags, arr := "'[]'", "'[]'"
		exec(gen + ` INSERT INTO documents (id,tracking_code,state,version,channel,submitted_at,filed_on,filing_policy,registered_at,listed_at,desk_area_id,type_id,sender_kind,sender_id_type,sender_name,subject,folios,priority,priority_rank,confidentiality,due_on,due_source,tags,current_area_id,current_area_ids,opened_at,attended_at,attended_on,created_at,search_text)
		SELECT 'doc_0123456789012345678901' || i, 'x' || i, CASE WHEN i > 190000 THEN 'IN_PROCESS' WHEN i % 50 = 0 THEN 'NOT_FILED' ELSE 'ATTENDED' END, 1, 'WEB', ` + at + "," + day + ",'S'," + at + "," + at + `,'a0','t0','PERSON','NONE','Juan Perez Quispe','Solicita algo con un asunto de largo mediano para ver',1,CASE WHEN i % 3=0 THEN 'URGENT' ELSE 'NORMAL' END,1,'PUBLIC',` + day + ",'TYPE'," + tags + ",'a0'," + arr + "," + at + `, CASE WHEN i <= 190000 AND i % 50 <> 0 THEN ` + at + ` END, CASE WHEN i <= 190000 AND i % 50 <> 0 THEN ` + day + " END," + at + ",'juan perez quispe solicita' FROM g")
		exec("INSERT INTO document_access SELECT id, 'a' || (folios + priority_rank) FROM documents")
		exec(gen + ` INSERT INTO derivations (id,number,document_id,batch_id,kind,from_id,to_id,origin,is_lead,sent_at,instructions,urgent,requires_response,due_on,state,received_at,received_on,reception_minutes,closed_at,closed_on,version)
		SELECT 'der_012345678901234567' || i || k, 'n' || i || '-' || k, 'doc_0123456789012345678901' || i, 'b', 'ACTION', 'a0', 'a' || ((i+k) % 20), 'SEND', true, ` + at + ",'Para su atencion', false, false," + day + `, CASE WHEN i > 190000 AND k = 3 THEN 'RECEIVED' ELSE 'ATTENDED' END,` + at + "," + day + ", i % 500," + `CASE WHEN i > 190000 AND k = 3 THEN NULL ELSE ` + at + ` END, CASE WHEN i > 190000 AND k = 3 THEN NULL ELSE ` + day + " END, 1 FROM g CROSS JOIN (SELECT 1 AS k UNION ALL SELECT 2 UNION ALL SELECT 3) AS ks")
		if pg {
			exec("VACUUM ANALYZE")
		}
		cat, err := conn.Catalogue(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		viewer := mesa.NewActor(cat, &mesa.User{ID: "u"}, []mesa.RoleGrant{{Role: mesa.Viewer}}, nil)
		user := mesa.NewActor(cat, &mesa.User{ID: "u"}, []mesa.RoleGrant{{Role: mesa.AreaUser, Area: "a2"}}, nil)
		for _, c := range []struct {
			who  string
			a    *mesa.Actor
			from mesa.Date
		}{{"viewer 30d", viewer, 0}, {"viewer all", viewer, mesa.NewDate(2020, 1, 1)}, {"user 30d", user, 0}} {
			f, err := conn.View(c.a).Statistics(mesa.StatisticsFilter{From: c.from})
			if err != nil {
				t.Fatal(err)
			}
			step := func(name string, run func() error) {
				s := time.Now()
				if err := run(); err != nil {
					t.Fatal(err)
				}
				t.Log(c.who, name, time.Since(s).Round(100*time.Microsecond))
			}
			step("filed", func() error { _, err := f.readFiled(ctx); return err })
			step("cube", func() error { _, err := f.readCube(ctx); return err })
			step("standing", func() error { _, err := f.readStanding(ctx); return err })
			step("attended", func() error { _, err := f.readAttended(ctx); return err })
			step("hours", func() error { _, err := f.readHours(ctx); return err })
			step("legs", func() error { _, err := f.readLegs(ctx); return err })
			step("areas", func() error { _, err := f.readAreas(ctx); return err })
			if c.who == "viewer 30d" {
				explain := "EXPLAIN QUERY PLAN "
				if pg {
					explain = "EXPLAIN (COSTS OFF) "
				}
				open := f.documents("documents_open_due").Where("document.state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS')").ColumnExpr("count(*), count(CASE WHEN document.priority = 'URGENT' THEN 1 END), count(CASE WHEN "+overdue+" THEN 1 END)", f.v.today)
				for _, q := range []string{open.String(), f.received().ColumnExpr("document.filed_on, document.state, count(*) AS n").GroupExpr("document.filed_on, document.state").String(),
					f.done().ColumnExpr("document.filed_on, document.attended_on, count(*) AS n, count(document.due_on) AS with_due").GroupExpr("document.filed_on, document.attended_on").String(), f.areasQuery().String()} {
					rows, err := conn.read.DB.QueryContext(ctx, explain+q)
					if err != nil {
						t.Fatal(err, q)
					}
					for rows.Next() {
						var a, b, c any
						var s string
						if pg {
							err = rows.Scan(&s)
						} else {
							err = rows.Scan(&a, &b, &c, &s)
						}
						if err != nil {
							t.Fatal(err)
						}
						t.Log("   ", s)
					}
					rows.Close()
				}
			}
		}
	}(t, url)}
}

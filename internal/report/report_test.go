package report_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/report"
	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/mesa"
)

// quarter is the period of the figures in these tests.
var quarter = mesa.ReportParameters{From: date("2026-08-01"), To: date("2026-10-31")}

func date(day string) mesa.Date { return must(mesa.ParseDate(day)) }

// must takes the value of what cannot fail here.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// An institution of more areas than statistics list finds them all in its reports.
func TestReportsHaveEveryArea(t *testing.T) {
	onEach(t, none, func(a *archive) {
		ctx, admin := a.Context(), a.actor("admin")
		targets := make([]mesa.DerivationTargetInput, db.MaxAreas+10)
		for i := range targets {
			area, err := a.desk.CreateArea(ctx, admin, desk.CreateAreaInput{Code: fmt.Sprintf("UNIDAD%d", i), Name: fmt.Sprintf("Unidad %d", i)})
			a.ok(err)
			targets[i] = mesa.DerivationTargetInput{AreaID: area.ID, Instructions: "Para su atención"}
		}
		head := a.actor("jefe.mesa")
		for some := range slices.Chunk(targets, 20) {
			doc := a.register(mesa.Public, "", mesa.Date(0))
			_, _, err := a.desk.Derive(ctx, head, desk.DeriveDocumentInput{DocumentID: doc.ID, Targets: some})
			a.ok(err)
		}
		byArea, _ := a.build("auditor", mesa.ByArea, quarter)
		if n := len(byArea.Tables[0].Rows); n != len(targets) {
			a.Errorf("%d areas of %d", n, len(targets))
		}
	})
}

func TestFiguresAreThoseOfStatistics(t *testing.T) {
	onEach(t, many, func(a *archive) {
		ctx, actor := a.Context(), a.actor("auditor")
		f := must(a.db.View(actor).Statistics(ctx, mesa.StatisticsFilter{From: quarter.From, To: quarter.To}))
		same := func(what string, got, want any) {
			a.Helper()
			if text(got) != text(want) {
				a.Errorf("%s is %s, statistics say %s", what, text(got), text(want))
			}
		}
		if must(f.Received(ctx)) < 100 || must(f.Attended(ctx)) < 100 {
			a.Fatal("a quarter without work proves nothing")
		}

		summary, _ := a.build("auditor", mesa.GeneralSummary, quarter)
		days := must(f.AttentionDays(ctx))
		for key, want := range map[string]any{
			"received": must(f.Received(ctx)), "receivedToday": must(f.ReceivedToday(ctx)), "notFiled": must(f.NotFiled(ctx)), "attended": must(f.Attended(ctx)),
			"open": must(f.Open(ctx)), "urgentOpen": must(f.UrgentOpen(ctx)), "overdue": must(f.Overdue(ctx)), "dueSoon": must(f.DueSoon(ctx)),
			"backlogChange": must(f.BacklogChange(ctx)), "onTimeRate": must(f.OnTimeRate(ctx)), "dailyAverage": must(f.DailyAverage(ctx)), "hops": must(f.Hops(ctx)),
			"attentionAverage": days.Average, "attentionMedian": days.Median, "attentionP90": days.P90,
		} {
			same(key, summary.indicator(key), want)
		}
		for _, table := range summary.Tables {
			counted := 0
			for _, row := range table.Rows {
				counted += row[1].(int)
			}
			same("the sum of "+table.Title, counted, must(f.Received(ctx)))
		}

		areas := must(f.EveryArea(ctx))
		byArea, _ := a.build("auditor", mesa.ByArea, quarter)
		times, _ := a.build("auditor", mesa.AttentionTimes, quarter)
		made, _ := a.build("auditor", mesa.AreaProductivity, quarter)
		for i, area := range areas {
			name := actor.Catalogue.AreaName(area.AreaID)
			for key, want := range map[string]any{
				"area": name, "received": area.LegsReceived, "inHand": area.InHand, "pendingReception": area.PendingReception, "attended": area.LegsAttended, "overdue": area.OverdueLegs,
			} {
				same(name+" by area, "+key, byArea.column(key)[i], want)
			}
			for key, want := range map[string]any{
				"area": name, "attended": area.LegsAttended, "average": area.HandlingDays.Average, "median": area.HandlingDays.Median, "p90": area.HandlingDays.P90,
				"min": area.HandlingDays.Min, "max": area.HandlingDays.Max, "receptionHours": area.ReceptionHours.Average,
			} {
				same(name+" times, "+key, times.column(key)[i], want)
			}
			for key, want := range map[string]any{
				"area": name, "received": area.LegsReceived, "attended": area.LegsAttended, "efficiency": area.Efficiency, "returned": area.ReturnRate, "load": area.InHand + area.PendingReception,
			} {
				same(name+" productivity, "+key, made.column(key)[i], want)
			}
		}
		for _, b := range []built{byArea, times, made} {
			same("areas of "+b.Title, len(b.rows), len(areas))
		}
		whole := 0.0
		for _, share := range byArea.column("share") {
			whole += *share.(*float64)
		}
		if whole < 99 || whole > 101 {
			a.Errorf("the shares of all areas are %v %%", whole)
		}

		types, _ := a.build("auditor", mesa.ByType, quarter)
		same("received by type", types.sum("count"), must(f.Received(ctx)))
		same("attended by type", types.sum("attended"), must(f.Attended(ctx)))
		onlyAttended := 0
		for day := quarter.To - 9; day <= quarter.To; day++ {
			f := must(a.db.View(actor).Statistics(ctx, mesa.StatisticsFilter{From: day, To: day}))
			types, _ := a.build("auditor", mesa.ByType, mesa.ReportParameters{From: day, To: day})
			same("received by type on "+day.String(), types.sum("count"), must(f.Received(ctx)))
			same("attended by type on "+day.String(), types.sum("attended"), must(f.Attended(ctx)))
			for i, received := range types.column("count") {
				if received == 0 && types.column("attended")[i] != 0 {
					onlyAttended++
				}
			}
		}
		if onlyAttended == 0 {
			a.Error("no type was attended on a day when none was received")
		}
		for _, bucket := range []mesa.TrendBucket{mesa.DayBucket, mesa.ISOWeekBucket, mesa.MonthBucket} {
			p := quarter
			p.Bucket = bucket
			trend, _ := a.build("auditor", mesa.Trends, p)
			points := must(f.Trend(ctx, bucket))
			same("steps of "+string(bucket), len(trend.rows), len(points))
			same("received by "+string(bucket), trend.sum("received"), must(f.Received(ctx)))
			same("attended by "+string(bucket), trend.sum("attended"), must(f.Attended(ctx)))
			same("balance by "+string(bucket), trend.sum("balance"), must(f.BacklogChange(ctx)))
		}

		late, _ := a.build("auditor", mesa.OverdueReport, mesa.ReportParameters{})
		same("overdue", len(late.rows), must(f.Overdue(ctx)))
		soon, _ := a.build("auditor", mesa.DueSoonReport, mesa.ReportParameters{})
		same("due soon", len(soon.rows), must(f.DueSoon(ctx)))
	})
}

// The two say the same also of what is due on a day on which nobody works.
func TestDueOnAWeekendIsDueSoon(t *testing.T) {
	onEach(t, none, func(a *archive) {
		for _, day := range []string{"2026-11-27", "2026-11-28", "2026-11-29", "2026-11-30"} { // Friday, three business days away, to Monday
			a.register(mesa.Public, "", date(day))
		}
		f := must(a.db.View(a.actor("auditor")).Statistics(a.Context(), mesa.StatisticsFilter{}))
		soon, _ := a.build("auditor", mesa.DueSoonReport, mesa.ReportParameters{})
		if n := must(f.DueSoon(a.Context())); len(soon.rows) != n || n == 0 || n == 4 {
			a.Errorf("the report has %d, statistics %d", len(soon.rows), n)
		}
	})
}

func TestListsAreWhatTheirSearchFinds(t *testing.T) {
	onEach(t, many, func(a *archive) {
		all := func(f mesa.DocumentFilter, by mesa.DocumentOrder) (numbers []any) {
			size := 200
			for page := (db.Page{First: &size}); ; {
				s := must(a.db.View(a.actor("auditor")).Documents(a.Context(), f, by, page))
				for _, d := range s.Items {
					numbers = append(numbers, string(d.FileNumber))
				}
				if len(s.Items) < size {
					return numbers
				}
				page.After = s.Cursor(s.Items[size-1])
			}
		}
		byFiling := mesa.DocumentOrder{Field: mesa.OrderByFiledOn, Direction: mesa.Ascending}
		urgent := mesa.DocumentFilter{Priorities: []mesa.Priority{mesa.UrgentPriority}, Archived: mesa.ArchivedExclude}
		logistics := a.area("LOG").ID
		for _, c := range []struct {
			kind mesa.ReportType
			p    mesa.ReportParameters
			f    mesa.DocumentFilter
			by   mesa.DocumentOrder
		}{
			{mesa.DocumentRegister, mesa.ReportParameters{}, mesa.DocumentFilter{}, byFiling},
			{mesa.DocumentRegister, quarter, mesa.DocumentFilter{FiledOn: &mesa.DateRange{From: quarter.From, To: quarter.To}}, byFiling},
			{mesa.DocumentRegister, mesa.ReportParameters{AreaID: logistics}, mesa.DocumentFilter{AreaID: logistics, AreaMode: mesa.AreaEver}, byFiling},
			{mesa.SearchExport, mesa.ReportParameters{}, mesa.DocumentFilter{}, mesa.LatestFirst},
			{mesa.SearchExport, mesa.ReportParameters{Filter: &urgent}, urgent, mesa.LatestFirst},
		} {
			b, _ := a.build("auditor", c.kind, c.p)
			got, want := b.column("fileNumber"), all(c.f, c.by)
			if !slices.Equal(got, want) || len(want) == 0 {
				a.Errorf("%s %+v has %d rows, its search finds %d, or in another order", c.kind, c.p, len(got), len(want))
			}
			if b.indicator("documents") != len(want) || b.List.Total != len(want) {
				a.Errorf("%s says %v documents, %d rows to come, and has %d", c.kind, b.indicator("documents"), b.List.Total, len(want))
			}
		}
		late, _ := a.build("auditor", mesa.OverdueReport, mesa.ReportParameters{Days: new(30)})
		for _, due := range late.column("dueOn") {
			if due.(mesa.Date) > date("2026-10-25") {
				a.Errorf("due on %v is less than 30 days late", due)
			}
		}
		for i, days := range late.column("lateDays") {
			if days.(int) < 1 || late.column("remainingDays")[i].(int) != -days.(int) {
				a.Errorf("%v days late with %v remaining", days, late.column("remainingDays")[i])
			}
		}
	})
}

func TestARoutingSlipHasAllLegs(t *testing.T) {
	onEach(t, many, func(a *archive) {
		actor := a.actor("auditor")
		for _, d := range must(a.db.View(actor).Documents(a.Context(), mesa.DocumentFilter{}, mesa.LatestFirst, db.Page{})).Items {
			legs := must(a.db.View(actor).LegsByDocument(a.Context(), []mesa.DocumentID{d.ID}))[d.ID]
			slip, _ := a.build("auditor", mesa.RoutingSlip, mesa.ReportParameters{DocumentID: d.ID})
			if slip.indicator("fileNumber") != string(d.FileNumber) || len(slip.rows) != len(legs) {
				a.Errorf("the slip of %s is of %v with %d of %d legs", d.FileNumber, slip.indicator("fileNumber"), len(slip.rows), len(legs))
			}
		}
		secret := a.register(mesa.Confidential, "LOG", 0)
		err := a.db.InSnapshot(a.Context(), a.actor("jefe.oaj"), func(v *db.View) error {
			_, err := report.Build(a.Context(), v, mesa.RoutingSlip, mesa.ReportParameters{DocumentID: secret.ID})
			return err
		})
		if mesa.CodeOf(err) != mesa.NotFound {
			a.Errorf("the slip of what one may not see: %v", err)
		}
	})
}

// What a report costs does not depend on how many documents there are; a list is read a thousand at a time.
func TestStatementsOfEachReport(t *testing.T) {
	statements := map[mesa.ReportType]int{
		mesa.DocumentRegister: 1, mesa.SearchExport: 1, mesa.OverdueReport: 1, mesa.DueSoonReport: 1, mesa.GeneralSummary: 5,
		mesa.ByArea: 1, mesa.AttentionTimes: 1, mesa.AreaProductivity: 1, mesa.ByType: 2, mesa.Trends: 2, mesa.RoutingSlip: 2,
	}
	for name, documents := range map[string]int{"none": none, "many": many} {
		t.Run(name, func(t *testing.T) {
			onEach(t, documents, func(a *archive) {
				document := a.register(mesa.Public, "LOG", 0)
				for _, info := range mesa.ReportCatalog {
					p := mesa.ReportParameters{}
					if info.Type == mesa.RoutingSlip {
						p.DocumentID = document.ID
					}
					b, got := a.build("auditor", info.Type, p)
					want := 1 + statements[info.Type] // one lets the snapshot last
					if b.List != nil {
						want += len(b.rows)/1000 + 1
					}
					if got != want {
						a.Errorf("%s of %d rows took %d statements, want %d", info.Type, len(b.rows), got, want)
					}
				}
			})
		})
	}
}

func TestRowsAreThoseThatWhoAsksMaySee(t *testing.T) {
	onEach(t, none, func(a *archive) {
		public, secret, restricted := a.register(mesa.Public, "OAJ", 0), a.register(mesa.Confidential, "LOG", 0), a.register(mesa.Restricted, "LOG", 0)
		for who, want := range map[string][]bool{
			"auditor": {true, true, true}, "jefe.oaj": {true, false, false}, "jefe.log": {false, true, true}, "jefe.mesa": {true, true, true}, "mesas1": {true, false, true},
		} {
			for _, kind := range []mesa.ReportType{mesa.DocumentRegister, mesa.SearchExport} {
				b, _ := a.build(who, kind, mesa.ReportParameters{})
				numbers := b.column("fileNumber")
				for i, d := range []*mesa.Document{public, secret, restricted} {
					if slices.Contains(numbers, any(string(d.FileNumber))) != want[i] {
						a.Errorf("%s for %s has the %s document: %v, want %v", kind, who, d.Confidentiality, !want[i], want[i])
					}
				}
				seen := must(a.db.View(a.actor(who)).CountDocuments(a.Context(), mesa.DocumentFilter{}))
				if len(numbers) != seen {
					a.Errorf("%s for %s has %d rows of the %d documents that they see", kind, who, len(numbers), seen)
				}
			}
		}
		// Figures follow the same rights: an area's head gets their own.
		own, _ := a.build("jefe.oaj", mesa.ByArea, mesa.ReportParameters{})
		if areas := own.column("area"); len(areas) != 1 || areas[0] != a.area("OAJ").Name {
			a.Errorf("the head of OAJ gets figures of %v", areas)
		}
		err := a.db.InSnapshot(a.Context(), a.actor("jefe.oaj"), func(v *db.View) error {
			_, err := report.Build(a.Context(), v, mesa.ByArea, mesa.ReportParameters{AreaID: a.area("LOG").ID})
			return err
		})
		if mesa.CodeOf(err) != mesa.Forbidden {
			a.Errorf("figures of another area: %v", err)
		}
	})
}

func TestConditionsAreSaidInWords(t *testing.T) {
	onEach(t, none, func(a *archive) {
		by := a.actor("auditor")
		other := a.register(mesa.Public, "", 0)
		instant, yes := morning, true
		user := by.Catalogue.User(by.UserID)
		f := mesa.DocumentFilter{
			Text: "copia", States: []mesa.DocumentState{mesa.InProcess, mesa.Attended}, Types: []mesa.DocumentTypeID{"SOL"}, Priorities: []mesa.Priority{mesa.UrgentPriority},
			Channels: []mesa.Channel{mesa.Counter}, AreaID: a.area("LOG").ID, AreaMode: mesa.AreaEver, SenderIDNumber: "45678912", RegisteredByID: user.ID, AssigneeID: user.ID,
			TagsAll: []string{"uno", "dos"}, TagsAny: []string{"tres"}, FiledOn: &mesa.DateRange{From: quarter.From, To: quarter.To}, DueOn: &mesa.DateRange{To: quarter.To},
			RegisteredAt: &mesa.DateTimeRange{From: &instant}, Lights: []mesa.Light{mesa.LightRed}, Overdue: &yes, RelatedToID: other.ID, Archived: mesa.ArchivedExclude,
		}
		for _, c := range []struct {
			kind mesa.ReportType
			p    mesa.ReportParameters
			want []string
		}{
			{mesa.SearchExport, mesa.ReportParameters{}, nil},
			{mesa.SearchExport, mesa.ReportParameters{Filter: &f}, []string{
				"Texto: copia", "Estado: En proceso, Atendido", "Prioridad: Urgente", "Canal: " + mesa.Label(string(mesa.Counter)), "Semáforo: " + mesa.Label(string(mesa.LightRed)),
				"Tipo: Solicitud", "Pasó por el área: Unidad de Logística", "Documento del remitente: 45678912", "Registrado por: " + user.FullName, "Responsable: " + user.FullName,
				"Con todas las etiquetas: uno, dos", "Con alguna de las etiquetas: tres", "Fecha legal: del 01/08/2026 al 31/10/2026", "Fecha límite: hasta el 31/10/2026",
				"Registrado: desde el 24/11/2026 09:00", "Vencido: sí", "Archivados: sin archivados", "Relacionados con: " + string(other.FileNumber),
			}},
			{mesa.SearchExport, mesa.ReportParameters{Filter: &mesa.DocumentFilter{AreaID: a.area("LOG").ID, RelatedToID: "doc_0", FiledOn: &mesa.DateRange{}}},
				[]string{"Área: Unidad de Logística", "Fecha legal: todas las fechas", "Relacionados con: doc_0"}},
			{mesa.DocumentRegister, mesa.ReportParameters{From: quarter.From}, []string{"Período: desde el 01/08/2026"}},
			{mesa.DocumentRegister, mesa.ReportParameters{To: quarter.To, AreaID: a.area("LOG").ID}, []string{"Área: Unidad de Logística", "Período: hasta el 31/10/2026"}},
			{mesa.OverdueReport, mesa.ReportParameters{Days: new(5)}, []string{"Atraso: al menos 5 días calendario"}},
			{mesa.DueSoonReport, mesa.ReportParameters{}, []string{"Vencen: en 3 días hábiles o menos"}},
			{mesa.ByArea, mesa.ReportParameters{}, []string{"Período: del 26/10/2026 al 24/11/2026"}},
		} {
			b, _ := a.build("auditor", c.kind, c.p)
			if !slices.Equal(b.Filters, c.want) {
				a.Errorf("%s says\n%s\nwant\n%s", c.kind, strings.Join(b.Filters, "\n"), strings.Join(c.want, "\n"))
			}
			if b.Institution == "" || b.Title != c.kind.Info().Title || b.By != user.FullName || !b.AsOf.Equal(morning) || b.Zone.String() != "America/Lima" {
				a.Errorf("its head is %q %q %q %v %v", b.Institution, b.Title, b.By, b.AsOf, b.Zone)
			}
		}
		if name := report.FileName("Próximos a vencer", morning, sheet.XLSX); name != "proximos-a-vencer_20261124-1400.xlsx" {
			a.Errorf("the file is named %s", name)
		}
	})
}

// An institution on its first day gets every report in every format.
func TestAnEmptyInstitutionHasReports(t *testing.T) {
	onEach(t, none, func(a *archive) {
		for _, info := range mesa.ReportCatalog {
			if info.Type == mesa.RoutingSlip {
				continue // it needs a document
			}
			for _, format := range info.Formats {
				a.ok(a.db.InSnapshot(a.Context(), a.actor("auditor"), func(v *db.View) error {
					content := must(report.Build(a.Context(), v, info.Type, mesa.ReportParameters{}))
					if _, err := sheet.Write(a.Context(), io.Discard, sheet.Format(format), content, nil); err != nil {
						return fmt.Errorf("%s as %s: %w", info.Type, format, err)
					}
					return nil
				}))
			}
		}
	})
}

// A report shows one instant: what others register while it is streamed is not in it, although it would come in a later batch.
func TestAReportIsOneSnapshot(t *testing.T) {
	onEach(t, many, func(a *archive) {
		other := a.process()
		var during *mesa.Document
		var before int
		a.ok(a.db.InSnapshot(a.Context(), a.actor("auditor"), func(v *db.View) error {
			content := must(report.Build(a.Context(), v, mesa.DocumentRegister, mesa.ReportParameters{}))
			rows, err := rowsOf(content, func(n int) {
				if n == 1 { // the second thousand has not been read
					during = other.register(mesa.Public, "LOG", 0)
				}
			})
			before = len(rows)
			if before != content.List.Total || before < many {
				a.Errorf("%d rows of %d", before, content.List.Total)
			}
			for _, row := range rows {
				if row[0] == string(during.FileNumber) {
					a.Error("a document that was registered meanwhile is in the report")
				}
			}
			return err
		}))
		after, _ := a.build("auditor", mesa.DocumentRegister, mesa.ReportParameters{})
		if len(after.rows) != before+1 || after.rows[before][0] != string(during.FileNumber) {
			a.Errorf("the next report has %d rows after %d", len(after.rows), before)
		}
	})
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	onEach(t, many, func(a *archive) {
		ctx, cancel := context.WithCancel(a.Context())
		err := a.db.InSnapshot(ctx, a.actor("auditor"), func(v *db.View) error {
			content := must(report.Build(ctx, v, mesa.DocumentRegister, mesa.ReportParameters{}))
			_, err := rowsOf(content, func(int) { cancel() })
			return err
		})
		if err == nil {
			a.Error("it went on to the end")
		}
	})
}

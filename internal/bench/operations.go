package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// The operations of the contract, word for word where they are there.
const (
	documentFields  = `id fileNumber subject state priority channel filedOn registeredAt dueOn light type { code name } currentArea { code name } registeredBy { fullName } sender { name idNumber }`
	documentsQuery  = `query Documents($filter: DocumentFilter, $orderBy: DocumentOrder, $first: Int, $after: String) { documents(filter: $filter, orderBy: $orderBy, first: $first, after: $after) { pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id } } nodes { ` + documentFields + ` } } }`
	totalQuery      = `query Documents($filter: DocumentFilter, $orderBy: DocumentOrder, $first: Int, $after: String) { documents(filter: $filter, orderBy: $orderBy, first: $first, after: $after) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id } } nodes { ` + documentFields + ` } } }`
	nestedQuery     = `query DocumentsNested($filter: DocumentFilter, $first: Int) { documents(filter: $filter, first: $first) { nodes { id fileNumber type { name } currentArea { name } derivations(first: 10) { totalCount nodes { number state sentAt toArea { name } fromArea { name } sentBy { fullName } receivedBy { fullName } } } } } }`
	documentQuery   = `query Document($id: ID!) { node(id: $id) { __typename id ... on Document { fileNumber trackingCode subject state version filedOn dueOn light tags notes availableActions type { name } category { name } currentArea { name } currentAreas { code } sender { name } derivations(first: 50) { nodes { id number kind state origin isLead urgent instructions sentAt receivedAt closedAt reason fromArea { code } toArea { code } sentBy { fullName } receivedBy { fullName } closedBy { fullName } assignee { fullName } } } timeline(first: 100) { nodes { at type text actor { name } } } deadlineTrace { date counted reason } archiveRecords { locationCode state retainUntil } } } }`
	trayQuery       = `query Tray($areaId: ID!, $box: TrayBox!, $first: Int, $after: String) { tray(areaId: $areaId, box: $box, first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor } nodes { document { id fileNumber subject light } derivation { id number state kind } } } trayCounts(areaId: $areaId) { box count } }`
	statisticsQuery = `query Statistics($filter: StatisticsFilter) { statistics(filter: $filter) { received receivedToday attended open urgentOpen overdue dueSoon onTimeRate byState { state count percentage } byPriority { priority count percentage } byType { type { code } count percentage } trend(bucket: DAY) { start received attended } attentionDays { average median p90 min max } areas(first: 10) { area { code name } legsReceived legsAttended pendingReception inHand overdueLegs efficiency handlingDays { average median p90 } } } }`
)

// deepPages is how far down the deep page lies.
const deepPages = 1000

// operations are what is measured.
func (d *desk) operations(ctx context.Context, documents int) ([]operation, error) {
	deep, err := d.placeOf(ctx, min(deepPages*50, documents/2))
	if err != nil {
		return nil, fmt.Errorf("find the deep page: %w", err)
	}
	long, err := d.longDocument(ctx)
	if err != nil {
		return nil, fmt.Errorf("find a document: %w", err)
	}
	first := func(n int) map[string]any { return map[string]any{"first": n} }
	after := map[string]any{"first": 50, "after": deep.cursor()}
	search := map[string]any{"first": 20, "filter": map[string]any{"text": "reparación baches"}}
	list := []operation{
		{"documents(100)", d.head, documentsQuery, first(100), d.documents(d.head, list{first: 100}), nil},
		{"documents(100), totalCount", d.head, totalQuery, first(100), d.documents(d.head, list{first: 100, total: true}), nil},
		{"documents(100) of an area user", d.clerk, documentsQuery, first(100), d.documents(d.clerk, list{first: 100}), nil},
		{"document with everything", d.head, documentQuery, map[string]any{"id": string(long)}, d.document(d.head, long), nil},
		{"50 documents × derivations × areas × users", d.head, nestedQuery, first(50), d.nested(d.head, 50), nil},
		{"tray(20) and counts", d.clerk, trayQuery, map[string]any{"areaId": string(d.area()), "box": "ATTENDED", "first": 20}, d.tray(d.clerk, d.area(), 20), nil},
		{"statistics, 30 days", d.head, statisticsQuery, nil, d.statistics(d.head), nil},
		{"text search(20)", d.head, documentsQuery, search, d.documents(d.head, list{first: 20, text: true}), nil},
		{"text search(20) of an area user", d.clerk, documentsQuery, search, d.documents(d.clerk, list{first: 20, text: true}), nil},
		{"documents(50), first page", d.head, documentsQuery, first(50), d.documents(d.head, list{first: 50}), nil},
		{"documents(50), 1,000 pages down", d.head, documentsQuery, after, d.documents(d.head, list{first: 50, after: &deep}), nil},
	}
	if d.Backend() == "postgres" { // where one statement can write to many tables
		list = append(list, operation{"derive", d.head, deriveMutation, nil, d.derive(d.head), &pool{desk: d, to: d.area()}})
	}
	return list, nil
}

// place is a document's place in the default order.
type place struct {
	listedAt time.Time
	id       string
}

// cursor names it as the program does.
func (p place) cursor() string {
	b, _ := json.Marshal([]string{string(mesa.OrderByRegisteredAt) + string(mesa.Descending), p.listedAt.UTC().Format(time.RFC3339Nano), p.id})
	return base64.RawURLEncoding.EncodeToString(b)
}

func (d *desk) placeOf(ctx context.Context, n int) (p place, err error) {
	err = d.plain.QueryRowContext(ctx, fmt.Sprintf("SELECT d.listed_at, d.id FROM documents AS d WHERE %s ORDER BY d.listed_at DESC, d.id DESC LIMIT 1 OFFSET %d",
		visible(d.head), n)).Scan(&p.listedAt, &p.id)
	return p, err
}

// longDocument is one with as many legs as one may have to look at, at any size of the database.
func (d *desk) longDocument(ctx context.Context) (id mesa.DocumentID, err error) {
	err = d.plain.QueryRowContext(ctx, "SELECT d.id FROM documents AS d JOIN derivations AS l ON l.document_id = d.id WHERE d.state = 'ARCHIVED' AND d.confidentiality = 'PUBLIC' GROUP BY d.id HAVING count(*) <= 19 ORDER BY count(*) DESC, d.id LIMIT 1").Scan(&id)
	return id, err
}

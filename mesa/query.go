package mesa

import (
	"io"
	"reflect"
	"time"
)

// DocumentFilter is what is asked of documents; all given conditions must hold. An empty list asks for nothing.
type DocumentFilter struct {
	Text            string
	States          []DocumentState
	Types           []DocumentTypeID // ids or codes
	Categories      []CategoryID
	Priorities      []Priority
	Channels        []Channel
	AreaID          AreaID
	AreaMode        AreaMode
	SenderIDNumber  string
	RegisteredByID  UserID
	AssigneeID      UserID
	TagsAny         []string
	TagsAll         []string
	FiledOn         *DateRange
	RegisteredAt    *DateTimeRange
	DueOn           *DateRange
	AttendedAt      *DateTimeRange
	Lights          []Light
	Overdue         *bool
	Confidentiality []Confidentiality
	RelatedToID     DocumentID
	Archived        ArchivedMode
}

// IsZero says that nothing is filtered.
func (f DocumentFilter) IsZero() bool { return reflect.ValueOf(f).IsZero() }

// MaxFilterValues is how many values a list in a filter has at most.
const MaxFilterValues = 100

// Check tells which list has too many values.
func (f DocumentFilter) Check() error {
	for _, list := range []struct {
		field  string
		values int
	}{
		{"states", len(f.States)}, {"types", len(f.Types)}, {"categories", len(f.Categories)}, {"priorities", len(f.Priorities)}, {"channels", len(f.Channels)},
		{"tagsAny", len(f.TagsAny)}, {"tagsAll", len(f.TagsAll)}, {"lights", len(f.Lights)}, {"confidentiality", len(f.Confidentiality)},
	} {
		if list.values > MaxFilterValues {
			return Fail(LimitExceeded, "filter."+list.field, "Se admiten %d elementos como máximo.", MaxFilterValues).With("limit", MaxFilterValues)
		}
	}
	return nil
}

// DateRange is a period of dates, both ends inclusive; a zero end is open.
type DateRange struct{ From, To Date }

// DateTimeRange is a period of instants, both ends inclusive; a nil end is open.
type DateTimeRange struct{ From, To *time.Time }

// DocumentOrder is how documents are sorted; the id breaks ties.
type DocumentOrder struct {
	Field     DocumentOrderField
	Direction OrderDirection
}

// LatestFirst is the order of lists unless another is asked for.
var LatestFirst = DocumentOrder{Field: OrderByRegisteredAt, Direction: Descending}

// TrayItem is a document in a tray and the leg that put it there ("" where the list is of documents).
type TrayItem struct {
	DocumentID   DocumentID
	DerivationID DerivationID
}

// TrayCount is how many documents are in a tray.
type TrayCount struct {
	Box   TrayBox
	Count int
}

// StatisticsFilter is what figures are about. Zero dates stand for the default period, the 30 days up to today.
type StatisticsFilter struct {
	From, To        Date
	AreaID          AreaID
	IncludeSubareas bool
	TypeID          DocumentTypeID // id or code
	Channel         Channel
	Priority        Priority
}

// AreaMode says which of a document's areas a filter means; empty is CURRENT.
type AreaMode string

// The values of AreaMode.
const (
	AreaCurrent    AreaMode = "CURRENT"
	AreaEver       AreaMode = "EVER"
	AreaRegistered AreaMode = "REGISTERED"
)

// AreaModes lists them in the order of the schema.
var AreaModes = []AreaMode{AreaCurrent, AreaEver, AreaRegistered}

// MarshalGQL writes the name, null for none.
func (a AreaMode) MarshalGQL(w io.Writer) { writeEnum(w, a) }

// UnmarshalGQL reads a name.
func (a *AreaMode) UnmarshalGQL(v any) error { return readEnum(v, a, AreaModes) }

// ArchivedMode says whether archived documents are found; empty is INCLUDE.
type ArchivedMode string

// The values of ArchivedMode.
const (
	ArchivedExclude ArchivedMode = "EXCLUDE"
	ArchivedInclude ArchivedMode = "INCLUDE"
	ArchivedOnly    ArchivedMode = "ONLY"
)

// ArchivedModes lists them in the order of the schema.
var ArchivedModes = []ArchivedMode{ArchivedExclude, ArchivedInclude, ArchivedOnly}

// MarshalGQL writes the name, null for none.
func (a ArchivedMode) MarshalGQL(w io.Writer) { writeEnum(w, a) }

// UnmarshalGQL reads a name.
func (a *ArchivedMode) UnmarshalGQL(v any) error { return readEnum(v, a, ArchivedModes) }

// DocumentOrderField is what documents can be sorted by.
type DocumentOrderField string

// The values of DocumentOrderField.
const (
	OrderByFiledOn      DocumentOrderField = "FILED_ON"
	OrderByRegisteredAt DocumentOrderField = "REGISTERED_AT"
	OrderByDueOn        DocumentOrderField = "DUE_ON"
	OrderByPriority     DocumentOrderField = "PRIORITY"
	OrderByFileNumber   DocumentOrderField = "FILE_NUMBER"
)

// DocumentOrderFields lists them in the order of the schema.
var DocumentOrderFields = []DocumentOrderField{OrderByFiledOn, OrderByRegisteredAt, OrderByDueOn, OrderByPriority, OrderByFileNumber}

// MarshalGQL writes the name, null for none.
func (d DocumentOrderField) MarshalGQL(w io.Writer) { writeEnum(w, d) }

// UnmarshalGQL reads a name.
func (d *DocumentOrderField) UnmarshalGQL(v any) error { return readEnum(v, d, DocumentOrderFields) }

// OrderDirection is the direction of a sort.
type OrderDirection string

// The values of OrderDirection.
const (
	Ascending  OrderDirection = "ASC"
	Descending OrderDirection = "DESC"
)

// OrderDirections lists them in the order of the schema.
var OrderDirections = []OrderDirection{Ascending, Descending}

// MarshalGQL writes the name, null for none.
func (o OrderDirection) MarshalGQL(w io.Writer) { writeEnum(w, o) }

// UnmarshalGQL reads a name.
func (o *OrderDirection) UnmarshalGQL(v any) error { return readEnum(v, o, OrderDirections) }

// TrendBucket is the size of the steps of a trend.
type TrendBucket string

// The values of TrendBucket.
const (
	DayBucket     TrendBucket = "DAY"
	ISOWeekBucket TrendBucket = "ISO_WEEK"
	MonthBucket   TrendBucket = "MONTH"
)

// TrendBuckets lists them in the order of the schema.
var TrendBuckets = []TrendBucket{DayBucket, ISOWeekBucket, MonthBucket}

// MarshalGQL writes the name, null for none.
func (t TrendBucket) MarshalGQL(w io.Writer) { writeEnum(w, t) }

// UnmarshalGQL reads a name.
func (t *TrendBucket) UnmarshalGQL(v any) error { return readEnum(v, t, TrendBuckets) }

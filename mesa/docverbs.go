package mesa

import "time"

// Void cancels a document that was never derived but in copies (T15). Its number stays consumed.
func (f *File) Void(reason string) error {
	if err := f.by.Require(MayVoid, f.Doc.DeskAreaID); err != nil {
		return err
	}
	if !documentMoves.allows(f.Doc.State, ActVoid) || hasAction(f.Legs) {
		return invalidTransition(f.Doc.State)
	}
	if err := CheckReason(reason); err != nil {
		return err
	}
	f.Doc.State, f.Doc.VoidReason = Voided, Text(reason)
	f.event(DocumentVoided, nil, "Anulado").Reason = Text(reason)
	f.settle()
	return nil
}

// Reopen puts an attended document back to work in an area (T12).
func (f *File) Reopen(to AreaID, reason string) error {
	if err := f.requireWhereItIs(MayReopen); err != nil {
		return err
	}
	if !documentMoves.allows(f.Doc.State, ActReopen) {
		return invalidTransition(f.Doc.State)
	}
	if err := f.checkReturnTo(to, reason); err != nil {
		return err
	}
	f.openAgain(to, OriginReopen, reason)
	f.event(DocumentReopened, nil, "Reabierto en "+f.cat.AreaName(to), to).Reason = Text(reason)
	f.settle()
	return nil
}

// requireWhereItIs asks for a permission in the desk of the document or at an end of a leg by which somebody acts on it: an open one for
// action, or, of an attended document, one that was attended since it was last opened. Copies give no say.
func (f *File) requireWhereItIs(p Permission) error {
	if f.by.May(p, f.Doc.DeskAreaID) {
		return nil
	}
	for _, leg := range f.Legs {
		acts := leg.IsOpenAction() || f.Doc.State == Attended && f.isAttendedAnew(leg)
		if acts && (f.by.May(p, leg.ToID) || f.by.May(p, leg.FromID)) {
			return nil
		}
	}
	return ErrForbidden(p)
}

func (f *File) checkReturnTo(to AreaID, reason string) error {
	var v Violations
	area := f.cat.Area(to)
	if to == "" {
		v.Check(false, "areaId", "Indique el área de destino.")
	} else if area == nil {
		v.Add(ErrNotFound("areaId"))
	} else if !area.IsActive {
		v.Add(Fail(AreaInactive, "areaId", "El área %s no está activa.", area.Code))
	}
	v.Add(CheckReason(reason))
	return v.Err()
}

// openAgain makes the document IN_PROCESS with one new lead leg from the desk.
func (f *File) openAgain(to AreaID, origin DerivationOrigin, reason string) {
	d := f.Doc
	d.State, d.OpenedAt = InProcess, f.at
	d.AttendedAt, d.AttendedOn, d.Outcome = time.Time{}, 0, ""
	f.addLeg(&Derivation{
		BatchID: f.ids.Batch(f.at), Kind: ForAction, FromID: d.DeskAreaID, ToID: to, Origin: origin, IsLead: true,
		Instructions: reason, DueOn: d.DueOn,
	})
}

// Archive shelves a document (T13). The caller allocates the location code of the new record.
func (f *File) Archive(class ArchiveClassification, policyCode string, place Text) (*ArchiveRecord, error) {
	if !f.by.MayAnywhere(MayArchive) {
		return nil, ErrForbidden(MayArchive)
	}
	d := f.Doc
	if !documentMoves.allows(d.State, ActArchive) || f.hasOpenAction() {
		return nil, invalidTransition(d.State)
	}
	policy := f.cat.Policy(policyCode)
	if policy == nil {
		return nil, Invalid("policyCode", "La política de conservación no existe.")
	}
	if err := checkPlace(place); err != nil {
		return nil, err
	}
	today := f.today()
	f.record = &ArchiveRecord{
		ID: f.ids.ArchiveRecord(f.at), DocumentID: d.ID, Classification: class, PolicyCode: policy.Code, ArchivedOn: today, ArchivedAt: f.at,
		ArchivedByID: f.by.UserID, PhysicalPlace: place, Folios: d.Folios, State: ArchiveActive,
	}
	if policy.Years > 0 {
		f.record.RetainUntil = today.AddYears(int(policy.Years))
	}
	f.Records = append(f.Records, f.record)
	d.CameFrom, d.State = d.State, Archived
	f.grantActor()
	f.event(DocumentArchived, nil, "Archivado", f.areasOfLegs()...)
	f.settle()
	return f.record, nil
}

// Restore takes a document out of the archive (T14): to work in an area, or back to NOT_FILED if it came from there, whatever the area.
func (f *File) Restore(to AreaID, reason string) error {
	if !f.by.MayAnywhere(MayRestore) {
		return ErrForbidden(MayRestore)
	}
	d := f.Doc
	if !documentMoves.allows(d.State, ActRestore) {
		return invalidTransition(d.State)
	}
	wasFiled, err := d.CameFrom != NotFiled, CheckReason(reason)
	if wasFiled {
		err = f.checkReturnTo(to, reason)
	}
	if err != nil {
		return err
	}
	for _, r := range f.Records {
		if r.State == ArchiveActive {
			r.State, r.RestoredAt, r.RestoredByID, r.RestoreReason = ArchiveRestored, f.at, f.by.UserID, Text(reason)
			f.record = r
		}
	}
	d.CameFrom = ""
	f.grantActor()
	if wasFiled {
		f.openAgain(to, OriginRestore, reason)
		f.event(DocumentRestored, nil, "Desarchivado hacia "+f.cat.AreaName(to), to).Reason = Text(reason)
	} else {
		d.State = NotFiled
		f.event(DocumentRestored, nil, "Desarchivado como no presentado").Reason = Text(reason)
	}
	f.settle()
	return nil
}

// MoveRecord notes that the document lies elsewhere in the archive; the event keeps where it was.
func (f *File) MoveRecord(id ArchiveRecordID, place Text) (*ArchiveRecord, error) {
	if !f.by.MayAnywhere(MayManageArchive) {
		return nil, ErrForbidden(MayManageArchive)
	}
	record := f.activeRecord(id)
	if record == nil {
		return nil, invalidTransition(f.Doc.State)
	}
	if err := checkPlace(place); err != nil {
		return nil, err
	}
	if record.PhysicalPlace == place {
		return record, nil
	}
	e := f.event(ArchiveMoved, nil, "Cambio de ubicación en el archivo")
	e.change("physicalPlace", record.PhysicalPlace, place)
	record.PhysicalPlace, f.record = place, record
	f.settle()
	return record, nil
}

// activeRecord is the stay in the archive that is not over, nil when it is not the one with this id.
func (f *File) activeRecord(id ArchiveRecordID) *ArchiveRecord {
	for _, r := range f.Records {
		if r.ID == id && r.State == ArchiveActive {
			return r
		}
	}
	return nil
}

func checkPlace(place Text) error {
	var v Violations
	checkText(&v, "physicalPlace", string(place), 0, 255)
	return v.Err()
}

// grantActor lets whoever shelved or fetched the document see it from then on, with their area.
func (f *File) grantActor() {
	if f.by.UserID != "" {
		f.grant(string(f.by.UserID))
	}
	if len(f.by.Areas) > 0 {
		f.grant(string(f.by.Areas[0]))
	}
}

// Update is a change of facts. A nil field stays as it is; a pointer to the zero value clears an optional one.
type Update struct {
	Subject         *string
	Notes           *Text
	Priority        *Priority
	Tags            *[]string
	CategoryID      *CategoryID
	Folios          *int
	ExternalNumber  *Text
	DocumentDate    *Date
	DueOn           *Date
	Confidentiality *Confidentiality
	Reason          Text
}

// Update changes facts after registration: each change is noted field by field; nothing changed, nothing happens.
func (f *File) Update(u Update) error {
	d := f.Doc
	if d.State.IsClosed() {
		return Fail(DocumentClosed, "", "El expediente está cerrado y ya no cambia.").With("state", string(d.State))
	}
	if err := f.mayUpdate(u); err != nil {
		return err
	}
	if err := f.checkUpdate(u); err != nil {
		return err
	}
	e := NewEvent(f.ids, f.by, f.at, DocumentUpdated)
	set(e, "subject", &d.Subject, u.Subject)
	set(e, "notes", &d.Notes, u.Notes)
	set(e, "priority", &d.Priority, u.Priority)
	d.PriorityRank = PriorityRank(d.Priority)
	if u.Tags != nil {
		tags := cleanTags(*u.Tags)
		set(e, "tags", &d.Tags, &tags)
	}
	set(e, "categoryId", &d.CategoryID, u.CategoryID)
	set(e, "folios", &d.Folios, u.Folios)
	set(e, "externalNumber", &d.ExternalNumber, u.ExternalNumber)
	set(e, "documentDate", &d.DocumentDate, u.DocumentDate)
	set(e, "confidentiality", &d.Confidentiality, u.Confidentiality)
	if u.DueOn != nil {
		before := d.DueOn
		if err := f.setDue(*u.DueOn); err != nil {
			*d = f.before
			return err
		}
		e.change("dueOn", before, d.DueOn)
	}
	if len(e.Changes) == 0 {
		return nil
	}
	changed := f.event(DocumentUpdated, nil, "Datos actualizados", f.areasOfLegs()...)
	changed.Changes, changed.Reason = e.Changes, u.Reason
	f.settle()
	return nil
}

func set[T any](e *Event, field string, target, value *T) {
	if value == nil {
		return
	}
	e.change(field, *target, *value)
	*target = *value
}

// mayUpdate asks for document.update where the document is, and for more where the field is delicate.
func (f *File) mayUpdate(u Update) error {
	onlyTags := u.Tags != nil && u == (Update{Tags: u.Tags, Reason: u.Reason})
	if onlyTags && f.by.MayAnywhere(MayTag) {
		return nil
	}
	if err := f.requireWhereItIs(MayUpdate); err != nil {
		return err
	}
	if u.Subject != nil && len(f.Legs) > 0 {
		if err := f.by.Require(MayCorrectParties, f.Doc.DeskAreaID); err != nil {
			return err
		}
	}
	if u.Confidentiality != nil && *u.Confidentiality != f.Doc.Confidentiality {
		if err := f.requireWhereItIs(MaySetConfidential); err != nil {
			return err
		}
	}
	if u.DueOn != nil && f.extends(*u.DueOn) {
		return f.requireWhereItIs(MayExtendDeadline)
	}
	return nil
}

// extends says whether a wished due date, or none, makes the document due later than now.
func (f *File) extends(wish Date) bool {
	d := f.Doc
	if wish.IsZero() && d.TermDays > 0 {
		wish = f.cat.Calendar.AddBusinessDays(d.FiledOn, d.TermDays)
	}
	return !d.DueOn.IsZero() && (wish.IsZero() || wish > d.DueOn)
}

func (f *File) checkUpdate(u Update) error {
	var v Violations
	if u.Subject != nil {
		checkText(&v, "subject", *u.Subject, 3, 2000)
	}
	if u.Notes != nil {
		checkText(&v, "notes", string(*u.Notes), 0, 2000)
	}
	if u.Tags != nil {
		checkTags(&v, *u.Tags)
	}
	if u.CategoryID != nil && *u.CategoryID != "" {
		c := f.cat.Category(*u.CategoryID)
		v.Check(c != nil && c.TypeID == f.Doc.TypeID && (c.IsActive || c.ID == f.Doc.CategoryID), "categoryId", "La categoría no pertenece al tipo de documento.")
	}
	if u.Folios != nil {
		v.Check(*u.Folios >= 0 && *u.Folios <= 99_999, "folios", "Los folios van de 0 a 99999.")
	}
	if u.ExternalNumber != nil {
		checkText(&v, "externalNumber", string(*u.ExternalNumber), 0, 100)
	}
	if u.DocumentDate != nil {
		v.Check(*u.DocumentDate <= f.today(), "documentDate", "La fecha del documento no puede ser futura.")
	}
	if u.DueOn != nil {
		v.Add(CheckReason(string(u.Reason)))
		if f.Doc.State == Submitted {
			v.Add(invalidTransition(f.Doc.State)) // its clock begins with its registration
		}
	}
	return v.Err()
}

package mesa

// AvailableActions lists what the actor could do with the document now, in the order of the tables. It asks the same tables and
// permissions as the verbs; only input can still be wrong. Empty, never nil.
func AvailableActions(by *Actor, doc *Document, legs []*Derivation) []Action {
	f := &File{Doc: doc, Legs: legs, by: by}
	list := []Action{}
	for _, row := range availability {
		if row.ok(f) {
			list = append(list, row.action)
		}
	}
	return list
}

var availability = []struct {
	action Action
	ok     func(*File) bool
}{
	{ActRegister, docActs(ActRegister, func(f *File) bool { return f.by.May(MayRegister, f.Doc.DeskAreaID) })},
	{ActDecline, docActs(ActDecline, func(f *File) bool { return f.by.May(MayObserve, f.Doc.DeskAreaID) })},
	{ActUpdate, func(f *File) bool { return !f.Doc.State.IsClosed() && f.requireWhereItIs(MayUpdate) == nil }},
	{ActDerive, func(f *File) bool { _, err := f.HolderFor(MayDerive); return err == nil }},
	{ActReceive, legActs(ActReceive, MayReceive)},
	{ActAttend, func(f *File) bool { return f.Doc.State == InProcess && legActs(ActAttend, MayAttend)(f) }},
	{ActReject, legActs(ActReject, MayReturn)},
	{ActReturn, legActs(ActReturn, MayReturn)},
	{ActRecall, func(f *File) bool { return f.anyLeg(f.mayRecall) }},
	{ActReassign, legActs(ActReassign, MayReassign)},
	{ActAssign, func(f *File) bool { return f.anyLeg(f.mayAssign) }},
	{ActAcknowledge, func(f *File) bool {
		return f.anyLeg(func(l *Derivation) bool {
			return l.Kind == ForCopy && copyMoves.allows(l.State, ActAcknowledge) && f.by.May(MayReceive, l.ToID)
		})
	}},
	{ActExtend, func(f *File) bool {
		return f.anyLeg(func(l *Derivation) bool {
			return l.IsOpenAction() && (f.by.May(MayAssign, l.ToID) || f.by.May(MayAssign, l.FromID))
		})
	}},
	{ActReopen, docActs(ActReopen, func(f *File) bool { return f.requireWhereItIs(MayReopen) == nil })},
	{ActArchive, docActs(ActArchive, func(f *File) bool { return f.by.MayAnywhere(MayArchive) && !f.hasOpenAction() })},
	{ActRestore, docActs(ActRestore, func(f *File) bool { return f.by.MayAnywhere(MayRestore) })},
	{ActVoid, docActs(ActVoid, func(f *File) bool { return !hasAction(f.Legs) && f.by.May(MayVoid, f.Doc.DeskAreaID) })},
}

func docActs(act Action, also func(*File) bool) func(*File) bool {
	return func(f *File) bool { return documentMoves.allows(f.Doc.State, act) && also(f) }
}

func legActs(act Action, p Permission) func(*File) bool {
	return func(f *File) bool {
		return f.anyLeg(func(l *Derivation) bool {
			return l.Kind == ForAction && legMoves.allows(l.State, act) && f.by.May(p, l.ToID)
		})
	}
}

func (f *File) anyLeg(ok func(*Derivation) bool) bool {
	for _, leg := range f.Legs {
		if ok(leg) {
			return true
		}
	}
	return false
}

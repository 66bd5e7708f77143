package mesa

// What the tests of this package look at and nobody else may.

// English is the table of translations.
func English() map[string]string { return english }

// IDHints are the sentences about identity numbers, which reach Invalid as a variable.
func IDHints() []string {
	var hints []string
	for _, rule := range idNumbers {
		hints = append(hints, rule.hint)
	}
	return hints
}

// Moves says which of the state tables allow an action: of documents, of ACTION legs, of COPY legs.
func (a Action) Moves(doc DocumentState, leg DerivationState) (ofDocument, ofLeg, ofCopy bool) {
	return documentMoves.allows(doc, a), legMoves.allows(leg, a), copyMoves.allows(leg, a)
}

// DocumentLeads says whether the table of documents has a row.
func DocumentLeads(from DocumentState, by Action, to DocumentState) bool {
	return documentMoves.leads(from, by, to)
}

// LegLeads says whether the table for a kind of leg has a row.
func LegLeads(kind DerivationKind, from DerivationState, by Action, to DerivationState) bool {
	if kind == ForCopy {
		return copyMoves.leads(from, by, to)
	}
	return legMoves.leads(from, by, to)
}

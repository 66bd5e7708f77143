// Package mesa holds the words and the rules of a document desk: entities, states, permissions, deadlines, errors.
//
// It is pure: standard library only, no I/O and no clock. "Now" and the acting person are always parameters, so that a rule can be
// read, tested and explained without a database. The words follow docs/glossary.md.
package mesa

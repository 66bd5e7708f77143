// Package demo makes an invented institution with people and a believable history, to look at, to test with and to measure on.
//
// Its documents are moved by the very rules of package mesa, under a simulated clock; only their storing is done in bulk.
package demo

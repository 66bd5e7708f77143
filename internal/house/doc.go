// Package house keeps the rules of the house as tests: who imports whom, which library enters where, that packages and exported names
// are explained, that every dependency has its line, and that the repository speaks for itself.
//
// It has no code to import. The rules are the tables at the top of each test file.
package house

package db

import (
	"fmt"
	"reflect"
)

// Fields is a set of fields of a struct that is stored as a row, by their place in it. A set with the first field alone is 1.
type Fields uint64

// AllFields are the fields of any struct.
const AllFields = ^Fields(0)

// FieldsOf is a set of fields of a struct by their names; it panics for a name that the struct does not have.
func FieldsOf[T any](names ...string) (set Fields) {
	of := reflect.TypeFor[T]()
	for _, name := range names {
		field, ok := of.FieldByName(name)
		if !ok || len(field.Index) > 1 {
			panic(fmt.Sprintf("%s has no field %s", of, name))
		}
		set |= 1 << field.Index[0]
	}
	return set
}

// columnsOf are the columns that hold some fields of T, each behind the alias of their table.
func columnsOf[T any](db *DB, alias string, set Fields) string {
	b := make([]byte, 0, 1024)
	for _, f := range db.read.Table(reflect.TypeFor[T]()).Fields {
		if set&(1<<f.Index[0]) == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = append(append(append(b, alias...), '.'), f.SQLName...)
	}
	return string(b)
}

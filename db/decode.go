package db

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// decoder puts a value that PostgreSQL sent, in its binary format, into a field. It is for the rows of one statement.
type decoder func(field reflect.Value, sent []byte) error

// target is where a column goes.
type target struct {
	index  []int
	decode decoder
}

// decode makes structs of rows, by the names that their columns have in bun's table of T; null is the zero value. It closes the rows.
func decode[T any](rows pgx.Rows, db *bun.DB) (list []*T, err error) {
	defer rows.Close()
	var targets []target
	for rows.Next() {
		if targets == nil {
			if targets, err = targetsOf[T](rows.FieldDescriptions(), rows.Conn().TypeMap(), db); err != nil {
				return nil, err
			}
		}
		item := new(T)
		to := reflect.ValueOf(item).Elem()
		for i, sent := range rows.RawValues() {
			if sent == nil {
				continue
			}
			field := to.Field(targets[i].index[0])
			if len(targets[i].index) > 1 {
				field = to.FieldByIndex(targets[i].index)
			}
			if err := targets[i].decode(field, sent); err != nil {
				return nil, fmt.Errorf("read column %s: %w", rows.FieldDescriptions()[i].Name, err)
			}
		}
		list = append(list, item)
	}
	return list, rows.Err()
}

func targetsOf[T any](columns []pgconn.FieldDescription, types *pgtype.Map, db *bun.DB) ([]target, error) {
	table := db.Table(reflect.TypeFor[T]())
	list := make([]target, len(columns))
	for i, c := range columns {
		f := table.FieldMap[c.Name]
		if f == nil {
			return nil, fmt.Errorf("%s has no field for column %s", table.TypeName, c.Name)
		}
		list[i] = target{f.Index, decoderOf(f.StructField.Type, c, types)}
	}
	return list, nil
}

// decoderOf is how values of a column go into a field of a type: the driver knows, but what is in every row has a shorter way.
func decoderOf(field reflect.Type, column pgconn.FieldDescription, types *pgtype.Map) decoder {
	isBinary, oid := column.Format == pgtype.BinaryFormatCode, column.DataTypeOID
	switch kind := field.Kind(); {
	case kind == reflect.String && (oid == pgtype.TextOID || oid == pgtype.VarcharOID):
		return decodeText()
	case isBinary && kind == reflect.Bool && oid == pgtype.BoolOID:
		return func(to reflect.Value, sent []byte) error { to.SetBool(sent[0] != 0); return nil }
	case isBinary && field == reflect.TypeFor[mesa.Date]() && oid == pgtype.DateOID:
		return decodeDate
	case isBinary && kind >= reflect.Int && kind <= reflect.Int64 && oid == pgtype.Int4OID:
		return func(to reflect.Value, sent []byte) error {
			to.SetInt(int64(int32(binary.BigEndian.Uint32(sent))))
			return nil
		}
	case isBinary && kind >= reflect.Int && kind <= reflect.Int64 && oid == pgtype.Int8OID:
		return func(to reflect.Value, sent []byte) error { to.SetInt(int64(binary.BigEndian.Uint64(sent))); return nil }
	case isBinary && field == reflect.TypeFor[time.Time]() && oid == pgtype.TimestamptzOID:
		return decodeTime
	}
	return func(to reflect.Value, sent []byte) error {
		return types.Scan(oid, column.Format, sent, to.Addr().Interface())
	}
}

// decodeText gives rows that follow each other one text when theirs are equal, as states, types and areas often are.
func decodeText() decoder {
	var last string
	return func(to reflect.Value, sent []byte) error {
		if string(sent) != last {
			last = string(sent)
		}
		to.SetString(last)
		return nil
	}
}

// epoch is where PostgreSQL counts from.
var epoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// decodeTime: microseconds since the epoch.
func decodeTime(to reflect.Value, sent []byte) error {
	us := int64(binary.BigEndian.Uint64(sent))
	*to.Addr().Interface().(*time.Time) = time.UnixMicro(epoch.UnixMicro() + us).UTC()
	return nil
}

// decodeDate: days since the epoch.
func decodeDate(to reflect.Value, sent []byte) error {
	to.SetInt(int64(mesa.NewDate(2000, time.January, 1).AddDays(int(int32(binary.BigEndian.Uint32(sent))))))
	return nil
}

package cache

import (
	"encoding/binary"
	"errors"
	"sync/atomic"

	"github.com/klauspost/compress/s2"

	"github.com/mesapartes/mesa/mesa"
)

// entry is a value that is kept, with what has to be true for it to hold.
type entry struct {
	value any
	life  *life
	born  int64 // the ledger's clock before the data was read
	made  int64 // when that was, in microseconds of the cache's time
	tags  []mesa.Tag
	reach mesa.Reach // how widely what it was made from may be shared
	size  int        // bytes

	seen       atomic.Int64 // see ledger.holds
	refreshing atomic.Bool  // somebody is making it anew
}

// entryOverhead is about what an entry takes besides its value, in bytes.
const entryOverhead = 200

func (e *entry) weight() int {
	w := e.size + entryOverhead
	for _, t := range e.tags {
		w += len(t) + 16
	}
	return w
}

// Entries in Redis: form, flags, born, made, tags, value.
const (
	entryForm  = 1 // rises when the form changes; others are not read
	compressed = 1 << 0
	reachShift = 1 // where the reach stands in the flags
)

var errEntryForm = errors.New("entry has a form that this program does not read")

// pack writes an entry for other processes, its value compressed when that makes it a fifth smaller.
func (e *entry) pack(value []byte) []byte {
	flags, body := byte(0), value
	if len(value) >= compressFrom {
		if c := s2.Encode(nil, value); len(c) < len(value)-len(value)/5 {
			flags, body = compressed, c
		}
	}
	flags |= byte(e.reach) << reachShift
	b := make([]byte, 0, len(body)+64+32*len(e.tags))
	b = append(b, entryForm, flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.born))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.made))
	b = binary.AppendUvarint(b, uint64(len(e.tags)))
	for _, t := range e.tags {
		b = binary.AppendUvarint(b, uint64(len(t)))
		b = append(b, t...)
	}
	return append(b, body...)
}

// unpack reads what pack wrote.
func unpack(b []byte) (e *entry, value []byte, err error) {
	if len(b) < 18 || b[0] != entryForm {
		return nil, nil, errEntryForm
	}
	e = &entry{born: int64(binary.LittleEndian.Uint64(b[2:])), made: int64(binary.LittleEndian.Uint64(b[10:]))}
	flags, rest := b[1], b[18:]
	e.reach = mesa.Reach(flags >> reachShift)
	n, rest, err := length(rest)
	if err != nil || n > maxTags {
		return nil, nil, errEntryForm
	}
	for range n {
		var size int
		if size, rest, err = length(rest); err != nil || size > len(rest) {
			return nil, nil, errEntryForm
		}
		e.tags, rest = append(e.tags, mesa.Tag(rest[:size])), rest[size:]
	}
	if flags&compressed == 0 {
		return e, rest, nil
	}
	if n, err := s2.DecodedLen(rest); err != nil || n > maxValue {
		return nil, nil, errEntryForm
	}
	value, err = s2.Decode(nil, rest)
	return e, value, err
}

func length(b []byte) (n int, rest []byte, err error) {
	v, size := binary.Uvarint(b)
	if size <= 0 || v > maxValue {
		return 0, nil, errEntryForm
	}
	return int(v), b[size:], nil
}

package db

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mesapartes/mesa/mesa"
)

// misjudged is by which factor an expectation may be wrong.
const misjudged = 100

// advice says what could be better about the steps of a plan that was executed.
func (n planNode) advice(k *known) []mesa.Advice {
	advice := []mesa.Advice{}
	warn := func(format string, args ...any) {
		advice = append(advice, mesa.Advice{Severity: mesa.AdviceWarning, Text: fmt.Sprintf(format, args...)})
	}
	isCut := false // below a limit fewer rows come than there are
	n.each(0, func(n planNode, _ int) {
		isCut = isCut || n.NodeType == "Limit"
		read, found := (n.Rows+n.Removed)*n.Loops, n.Rows*n.Loops
		switch isScan := strings.HasSuffix(n.NodeType, "Seq Scan"); {
		case n.Loops == 0:
			return
		case n.Relation != "" && n.Filter != "" && read >= muchRead && found*10 < read:
			warn("%s", k.unserved(n.Relation, n.Index, int64(read), int64(found), n.Filter))
		case isScan && read >= muchRead:
			advice = append(advice, wholeTable(n.Relation, int64(read)))
		}
		if n.SpaceType == "Disk" {
			order := strings.Join(n.SortKey, ", ")
			warn("Sorted on disk, %d kB, by %s: an index in this order, or more work_mem%s.", n.SpaceUsed, order, k.server(n.firstTable(), "", order))
		}
		if n.HashBatches > 1 {
			warn("A hash table did not fit into memory (%d batches): more work_mem.", n.HashBatches)
		}
		if wrong := max(n.Rows, 1) / max(n.PlanRows, 1); n.Relation != "" && max(n.Rows, n.PlanRows) >= 1000 && (wrong >= misjudged || wrong <= 1.0/misjudged && !isCut) {
			warn("%s: %.0f rows were expected, %.0f came: its statistics are old (ANALYZE %s).", n.Relation, n.PlanRows, n.Rows, n.Relation)
		}
	})
	return advice
}

// firstTable is the first table that a step and those below it read, "" when they read none.
func (n planNode) firstTable() (table string) {
	n.each(0, func(n planNode, _ int) { table = cmp.Or(table, n.Relation) })
	return table
}

func wholeTable(table string, rows int64) mesa.Advice {
	return mesa.Advice{Severity: mesa.AdviceInfo, Text: fmt.Sprintf("%s: the whole table is read, %d rows.", table, rows)}
}

// known is what advice has to know of a database.
type known struct {
	columns map[string][]string // of each table
	indexes []*Index
}

// unserved says that many rows were read for few, by an index or ("") one after the other, and which index would serve the filter.
func (k *known) unserved(table, by string, read, found int64, filter string) string {
	how := ""
	if by != "" {
		how = " by " + by
	}
	columns := strings.Join(k.columnsIn(table, filter), ", ")
	return fmt.Sprintf("%s: %d rows read%s for %d; filter %s is not served by an index%s.", table, read, how, found, cmp.Or(columns, withoutLiterals(filter)), k.server(table, by, filter))
}

// columnsIn are the columns of a table that a condition or order speaks of.
func (k *known) columnsIn(table, text string) (columns []string) {
	for _, word := range strings.FieldsFunc(withoutLiterals(text), func(r rune) bool { return r > unicode.MaxASCII || !isWord(byte(r)) }) {
		if slices.Contains(k.columns[table], word) && !slices.Contains(columns, word) {
			columns = append(columns, word)
		}
	}
	return columns
}

// server is the end of a sentence that names the index that begins with most columns of a condition or order, other than the one that was
// used, and a query that uses it; "" when there is none.
func (k *known) server(table, used, text string) string {
	wanted, best, most := k.columnsIn(table, text), (*Index)(nil), 0
	for _, i := range k.indexes {
		if i.Table != table || i.Name == used || len(i.Serves) == 0 {
			continue
		}
		begins := 0
		for _, column := range strings.Split(i.Columns, ", ") {
			if !slices.Contains(wanted, strings.TrimSuffix(column, " DESC")) {
				break
			}
			begins++
		}
		if begins > most || begins == most && begins > 0 && i.State == IndexMissing {
			best, most = i, begins
		}
	}
	if best == nil {
		return ""
	}
	end := ""
	if best.Where != "" {
		end = " where " + best.Where
	}
	if best.State.IsFault() {
		end += ", which is " + string(best.State)
	}
	return fmt.Sprintf("; the named query %q uses %s (%s)%s", best.Serves[0], best.Name, best.Columns, end)
}

var (
	scans   = regexp.MustCompile(`^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?$`)
	limited = regexp.MustCompile(`LIMIT (\d+)$`)
	counts  = regexp.MustCompile(`(?i)^\s*SELECT count\(|\bGROUP BY\b`)
	dotted  = regexp.MustCompile(`(?:(\w+)"?\.)?"?(\w+)`)
	clauses = regexp.MustCompile(`(?is)\bWHERE\b(.*?)(?:\bORDER BY\b|\bGROUP BY\b|\bLIMIT\b|$)`)
)

// adviceOnSteps says what could be better about a statement; rowsOf counts the rows of a table, and finds none in what is no table.
func (k *known) adviceOnSteps(steps []planStep, s *mesa.ExplainedStatement, rowsOf func(table string) int64) []mesa.Advice {
	advice := []mesa.Advice{}
	add := func(severity mesa.AdviceSeverity, text string) {
		advice = append(advice, mesa.Advice{Severity: severity, Text: text})
	}
	for i, step := range steps {
		if m := scans.FindStringSubmatch(step.detail); m != nil && (m[2] == "" || i == 0) {
			if a, ok := k.scanned(s, m[1], m[2], rowsOf); ok {
				advice = append(advice, a)
			}
		}
		switch {
		case strings.HasPrefix(step.detail, "USE TEMP B-TREE FOR ORDER BY"):
			add(mesa.AdviceInfo, "What is found is sorted before the first row comes: no index has this order.")
		case strings.Contains(step.detail, "AUTOMATIC"):
			add(mesa.AdviceWarning, "An index is built for this statement alone ("+step.detail+"): the table lacks one.")
		}
	}
	return advice
}

// scanned is advice on a table that is read from its beginning, in the order of an index or ("") as it lies. SQLite does not count what it reads,
// but a page that was not filled tells that all was read.
func (k *known) scanned(s *mesa.ExplainedStatement, alias, index string, rowsOf func(string) int64) (a mesa.Advice, ok bool) {
	if limit := limited.FindStringSubmatch(s.SQL); limit != nil {
		if n, _ := strconv.ParseInt(limit[1], 10, 64); s.Rows >= n {
			return a, false
		}
	}
	table := tableOf(s.SQL, alias)
	rows := rowsOf(table)
	if rows < muchRead {
		return a, false
	}
	filter := strings.Join(k.filterOf(s.SQL, table, alias, index), ", ")
	if filter == "" || counts.MatchString(s.SQL) {
		return wholeTable(table, rows), true
	}
	if s.Rows*10 >= rows {
		return a, false
	}
	return mesa.Advice{Severity: mesa.AdviceWarning, Text: k.unserved(table, index, rows, s.Rows, filter)}, true
}

// filterOf are the columns in the conditions of a statement on a table, but for those of the index by which it is read.
func (k *known) filterOf(statement, table, alias, index string) []string {
	found := clauses.FindStringSubmatch(withoutLiterals(statement))
	if found == nil {
		return nil
	}
	var names []string
	for _, m := range dotted.FindAllStringSubmatch(found[1], -1) {
		if m[1] == "" || m[1] == alias {
			names = append(names, m[2])
		}
	}
	text := strings.Join(names, " ")
	return slices.DeleteFunc(k.columnsIn(table, text), func(column string) bool {
		return slices.ContainsFunc(k.indexes, func(i *Index) bool { return i.Name == index && slices.Contains(k.columnsIn(table, i.Columns), column) })
	})
}

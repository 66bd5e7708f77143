package db

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mesapartes/mesa/mesa"
)

// planNode is a step of a plan of PostgreSQL, as EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) tells it. Rows are those of one loop.
type planNode struct {
	NodeType    string   `json:"Node Type"`
	Relation    string   `json:"Relation Name"`
	Index       string   `json:"Index Name"`
	PlanRows    float64  `json:"Plan Rows"`
	Rows        float64  `json:"Actual Rows"`
	Loops       float64  `json:"Actual Loops"`
	Ms          float64  `json:"Actual Total Time"`
	IndexCond   string   `json:"Index Cond"`
	Filter      string   `json:"Filter"`
	Removed     float64  `json:"Rows Removed by Filter"`
	SortKey     []string `json:"Sort Key"`
	SortMethod  string   `json:"Sort Method"`
	SpaceType   string   `json:"Sort Space Type"`
	SpaceUsed   int      `json:"Sort Space Used"` // kB
	HashBatches int      `json:"Hash Batches"`
	SharedHit   int      `json:"Shared Hit Blocks"`
	SharedRead  int      `json:"Shared Read Blocks"`

	Plans []planNode `json:"Plans"`
}

func readPlan(text string) (planNode, error) {
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 1 {
		return planNode{}, fmt.Errorf("this is no plan: %.100s", text)
	}
	return plans[0].Plan, nil
}

// each visits all steps, the outer ones first.
func (n planNode) each(depth int, visit func(n planNode, depth int)) {
	visit(n, depth)
	for _, child := range n.Plans {
		child.each(depth+1, visit)
	}
}

// text is the plan, a step a line, the outer ones first.
func (n planNode) text() string {
	var b strings.Builder
	n.each(0, func(n planNode, depth int) {
		fmt.Fprintf(&b, "%s%s", strings.Repeat("  ", depth), n.NodeType)
		if n.Relation != "" {
			fmt.Fprintf(&b, " on %s", n.Relation)
		}
		if n.Index != "" {
			fmt.Fprintf(&b, " by %s", n.Index)
		}
		fmt.Fprintf(&b, " (%.0f rows, %.0f expected", n.Rows, n.PlanRows)
		if n.Loops != 1 {
			fmt.Fprintf(&b, ", %.0f times", n.Loops)
		}
		fmt.Fprintf(&b, ", %.2f ms, %d pages", n.Ms*max(n.Loops, 1), n.SharedHit+n.SharedRead)
		if n.SharedRead > 0 {
			fmt.Fprintf(&b, " of which %d not in memory", n.SharedRead)
		}
		b.WriteByte(')')
		for _, detail := range []struct{ name, text string }{
			{"index", n.IndexCond}, {"filter", n.Filter}, {"order", strings.Join(n.SortKey, ", ")}, {"sort", n.SortMethod},
		} {
			if detail.text != "" {
				fmt.Fprintf(&b, "\n%s  %s: %s", strings.Repeat("  ", depth), detail.name, detail.text)
			}
		}
		b.WriteByte('\n')
	})
	return b.String()
}

// misjudged is by which factor an expectation may be wrong.
const misjudged = 100

// advice says what could be better about the steps of a plan.
func (n planNode) advice() []mesa.Advice {
	advice := []mesa.Advice{}
	warn := func(format string, args ...any) {
		advice = append(advice, mesa.Advice{Severity: mesa.AdviceWarning, Text: fmt.Sprintf(format, args...)})
	}
	n.each(0, func(n planNode, _ int) {
		loops := max(n.Loops, 1)
		read, found := (n.Rows+n.Removed)*loops, n.Rows*loops
		switch {
		case strings.HasSuffix(n.NodeType, "Seq Scan") && read >= muchRead && n.Filter != "" && found*10 < read:
			warn("%s: %.0f rows read for %.0f: no index serves the filter %s.", n.Relation, read, found, withoutLiterals(n.Filter))
		case strings.HasSuffix(n.NodeType, "Seq Scan") && read >= muchRead:
			advice = append(advice, mesa.Advice{Severity: mesa.AdviceInfo, Text: fmt.Sprintf("%s: the whole table is read, %.0f rows.", n.Relation, read)})
		case n.Index != "" && n.Removed*loops >= muchRead && found*10 < read:
			warn("%s: %.0f rows read by %s for %.0f: the index does not serve the filter %s.", n.Relation, read, n.Index, found, withoutLiterals(n.Filter))
		}
		if n.SpaceType == "Disk" {
			warn("Sorted on disk, %d kB, by %s: an index in this order, or more work_mem.", n.SpaceUsed, strings.Join(n.SortKey, ", "))
		}
		if n.HashBatches > 1 {
			warn("A hash table did not fit into memory (%d batches): more work_mem.", n.HashBatches)
		}
		if wrong := max(n.Rows, 1) / max(n.PlanRows, 1); n.Relation != "" && max(n.Rows, n.PlanRows) >= 1000 && (wrong >= misjudged || wrong <= 1.0/misjudged) {
			warn("%s: %.0f rows were expected, %.0f came: its statistics are old (ANALYZE %s).", n.Relation, n.PlanRows, n.Rows, n.Relation)
		}
	})
	return advice
}

// planStep is a step of a plan of SQLite.
type planStep struct {
	id, parent int
	detail     string
}

func stepsText(steps []planStep) string {
	depth := map[int]int{}
	var b strings.Builder
	for _, s := range steps {
		d := 0
		if parent, ok := depth[s.parent]; ok {
			d = parent + 1
		}
		depth[s.id] = d
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", d), s.detail)
	}
	return b.String()
}

// adviceOnSteps says what could be better; look finds the table of an alias and says whether it has so many rows that reading all matters.
func adviceOnSteps(steps []planStep, look func(alias string) (table string, isLarge bool)) []mesa.Advice {
	advice := []mesa.Advice{}
	for _, s := range steps {
		words := strings.Fields(s.detail)
		switch {
		case len(words) == 2 && words[0] == "SCAN":
			if table, isLarge := look(words[1]); isLarge {
				advice = append(advice, mesa.Advice{Severity: mesa.AdviceWarning, Text: fmt.Sprintf("%s: all rows are read, %d or more: no index serves the filter.", table, muchRead)})
			}
		case strings.HasPrefix(s.detail, "USE TEMP B-TREE FOR ORDER BY"):
			advice = append(advice, mesa.Advice{Severity: mesa.AdviceInfo, Text: "What is found is sorted before the first row comes: no index has this order."})
		case strings.Contains(s.detail, "AUTOMATIC"):
			advice = append(advice, mesa.Advice{Severity: mesa.AdviceWarning, Text: "An index is built for this statement alone (" + s.detail + "): the table lacks one."})
		}
	}
	return advice
}

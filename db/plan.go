package db

import (
	"encoding/json"
	"fmt"
	"strings"
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
		b.WriteString(n.figures())
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

// figures are what a step was expected to find and, if it was executed, found.
func (n planNode) figures() string {
	if n.Loops == 0 {
		return fmt.Sprintf(" (%.0f rows expected)", n.PlanRows)
	}
	text := fmt.Sprintf(" (%.0f rows, %.0f expected", n.Rows, n.PlanRows)
	if n.Loops != 1 {
		text += fmt.Sprintf(", %.0f times", n.Loops)
	}
	text += fmt.Sprintf(", %.2f ms, %d pages", n.Ms*n.Loops, n.SharedHit+n.SharedRead)
	if n.SharedRead > 0 {
		text += fmt.Sprintf(" of which %d not in memory", n.SharedRead)
	}
	return text + ")"
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

package graph

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"

	"github.com/mesapartes/mesa/mesa"
)

// Limit names a bound of what one caller may ask for.
type Limit string

// The limits.
const (
	LimitBody             Limit = "body"
	LimitVariables        Limit = "variables"
	LimitTokens           Limit = "tokens"
	LimitFragments        Limit = "fragments"
	LimitDirectives       Limit = "directives"
	LimitAliases          Limit = "aliases"
	LimitRootFields       Limit = "rootFields"
	LimitDepth            Limit = "depth"
	LimitIntrospection    Limit = "introspection"
	LimitCost             Limit = "cost"
	LimitOperations       Limit = "operations"
	LimitSubscriptions    Limit = "subscriptions"
	LimitConnections      Limit = "connections"
	LimitMessage          Limit = "message"
	LimitSocketOperations Limit = "socketOperations"
	LimitSocketIdle       Limit = "socketIdle"
)

// LimitTable is every limit in the order in which they are looked at. Whoever exceeds one is told LIMIT_EXCEEDED, the number in
// extensions.limit and the name in extensions.field. The largest operation of the contract costs 19,600 with a page of 200.
var LimitTable = []struct {
	Limit   Limit
	Default int
	Meaning string
}{
	{LimitBody, 256 << 10, "bytes of a request"},
	{LimitVariables, 128 << 10, "bytes of the variables: texts, names and 8 for each value"},
	{LimitTokens, 2000, "tokens of the text"},
	{LimitFragments, 100, "fragments that the text defines"},
	{LimitDirectives, 50, "directives in the text"},
	{LimitAliases, 100, "aliases in the text"},
	{LimitRootFields, 20, "root fields of an operation, those in fragments as often as these are spread"},
	{LimitDepth, 15, "levels of fields"},
	{LimitIntrospection, 20, "levels below `__schema` and `__type`; GraphiQL asks for 15"},
	{LimitCost, 50_000, "fields, each as often as the lists around it can be long; `__schema` costs 5,000"},
	{LimitOperations, 16, "queries and mutations of one account, key or (without either) address that run at the same time in a process; more wait for 2 seconds and are RATE_LIMITED then"},
	{LimitSubscriptions, 100, "subscriptions of one account or key in a process"},
	{LimitConnections, 500, "WebSockets and event streams that are open from one address in a process; one more is refused with 429 before it opens"},
	{LimitMessage, 64 << 10, "bytes of a message on a WebSocket; a larger one closes it (1009)"},
	{LimitSocketOperations, 100, "operations that run at the same time on a WebSocket"},
	{LimitSocketIdle, 300, "seconds without an operation after which a WebSocket is closed (1000)"},
}

// Limits are the numbers in force. One that is not there holds as in LimitTable.
type Limits map[Limit]int

// Of is the number of a limit.
func (l Limits) Of(name Limit) int {
	if n, ok := l[name]; ok {
		return n
	}
	for _, row := range LimitTable {
		if row.Limit == name {
			return row.Default
		}
	}
	panic("limit " + string(name) + " has no row")
}

// ParseLimits reads settings such as depth=12.
func ParseLimits(settings []string) (Limits, error) {
	l := Limits{}
	for _, s := range settings {
		name, number, _ := strings.Cut(strings.TrimSpace(s), "=")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || !isLimit(Limit(name)) {
			return nil, fmt.Errorf("a limit looks like depth=12, with one of %s, not %q", limitNames(), s)
		}
		l[Limit(name)] = n
	}
	return l, nil
}

func isLimit(name Limit) bool {
	for _, row := range LimitTable {
		if row.Limit == name {
			return true
		}
	}
	return false
}

func limitNames() string {
	names := make([]string, len(LimitTable))
	for i, row := range LimitTable {
		names[i] = string(row.Limit)
	}
	return strings.Join(names, ", ")
}

// exceeded is the error of a limit; have is what was asked for where that is known.
func (l Limits) exceeded(name Limit, have int) *mesa.Error {
	field, most := string(name), l.Of(name)
	e := mesa.Fail(mesa.LimitExceeded, field, "Se pidió %d de «%s»; el máximo es %d.", have, field, most)
	switch name {
	case LimitBody:
		e = mesa.Fail(mesa.LimitExceeded, field, "La solicitud supera %d bytes.", most)
	case LimitTokens:
		e = mesa.Fail(mesa.LimitExceeded, field, "La consulta tiene más de %d elementos léxicos.", most)
	case LimitDepth:
		e = mesa.Fail(mesa.LimitExceeded, field, "La consulta tiene %d niveles; el máximo es %d.", have, most)
	case LimitCost:
		e = mesa.Fail(mesa.LimitExceeded, field, "La consulta cuesta %d; el máximo es %d. Pida páginas más pequeñas.", have, most)
	case LimitSubscriptions:
		e = mesa.Fail(mesa.LimitExceeded, field, "Tiene %d suscripciones abiertas; cierre alguna.", most)
	case LimitConnections:
		e = mesa.Fail(mesa.LimitExceeded, field, "Desde su dirección hay %d conexiones abiertas; cierre alguna.", most)
	case LimitSocketOperations:
		e = mesa.Fail(mesa.LimitExceeded, field, "Esta conexión tiene %d operaciones en curso; espere o cierre alguna.", most)
	}
	return e.With("limit", most)
}

// check is the error of a limit that is exceeded, nil otherwise.
func (l Limits) check(name Limit, have int) *mesa.Error {
	if have > l.Of(name) {
		return l.exceeded(name, have)
	}
	return nil
}

// checkText looks at a text before it is parsed and validated, in one pass over its tokens: these take quadratic time, and exponential
// where fragments are spread in each other.
func (l Limits) checkText(text string) *mesa.Error {
	var (
		lex                                    = lexer.New(&ast.Source{Input: text})
		most                                   = l.Of(LimitTokens)
		tokens, fragments, directives, aliases int
		braces, parens                         int // that are open
	)
	for {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			break // the parser says what is wrong
		}
		if tokens++; tokens > most {
			return l.exceeded(LimitTokens, 0)
		}
		switch token.Kind {
		case lexer.ParenL:
			parens++
		case lexer.ParenR:
			parens--
		case lexer.BraceL:
			braces++
		case lexer.BraceR:
			braces--
		case lexer.At:
			directives++
		case lexer.Colon:
			if parens == 0 {
				aliases++ // elsewhere a colon belongs to an argument or a variable
			}
		case lexer.Name:
			if braces == 0 && parens == 0 && token.Value == "fragment" {
				fragments++
			}
		}
	}
	for _, c := range []struct {
		limit Limit
		have  int
	}{{LimitFragments, fragments}, {LimitDirectives, directives}, {LimitAliases, aliases}} {
		if err := l.check(c.limit, c.have); err != nil {
			return err
		}
	}
	return nil
}

// checkVariables bounds what variables may hold.
func (l Limits) checkVariables(variables map[string]any) *mesa.Error {
	return l.check(LimitVariables, sizeOf(variables))
}

// sizeOf is about how many bytes a value that came as JSON holds.
func sizeOf(v any) int {
	size := 8
	switch v := v.(type) {
	case string:
		size += len(v)
	case []any:
		for _, one := range v {
			size += sizeOf(one)
		}
	case map[string]any:
		for name, one := range v {
			size += len(name) + sizeOf(one)
		}
	}
	return size
}

// refusals counts what was refused, by the name of the limit. The zero value is ready.
type refusals struct {
	mu    sync.Mutex
	count map[string]int64
}

func (r *refusals) add(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count = map[string]int64{}
	}
	r.count[name]++
}

// all are the counts so far.
func (r *refusals) all() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.count)
}

// BodyTooLarge counts a request whose body is too large and is the error for it.
func (r *Resolver) BodyTooLarge() *mesa.Error {
	r.refused.add(string(LimitBody))
	return r.Limits.exceeded(LimitBody, 0)
}

// exceeded counts a refusal and tells of it; nil for nil.
func (r *Resolver) exceeded(ctx context.Context, e *mesa.Error) *gqlerror.Error {
	if e == nil {
		return nil
	}
	r.refused.add(e.Field)
	return refuse(ctx, e)
}

package rate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Window bounds what may be spent within a period that slides.
type Window struct {
	Limit  int64 // in whole units
	Period time.Duration
}

// Windows hold together. None is no limit.
type Windows []Window

// periods are the letters that a period is written with.
var periods = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}

// ParseWindows reads limits such as "100/m,1000/h"; "off" and "0" are none.
func ParseWindows(text string) (list Windows, err error) {
	if text == "off" || text == "0" {
		return nil, nil
	}
	for one := range strings.SplitSeq(text, ",") {
		count, letter, _ := strings.Cut(strings.TrimSpace(one), "/")
		limit, err := strconv.ParseInt(count, 10, 32)
		period, known := periods[letter]
		if err != nil || limit < 1 || !known {
			return nil, fmt.Errorf("a rate looks like 100/m,1000/h (s, m, h or d), or off, not %q", text)
		}
		list = append(list, Window{Limit: limit, Period: period})
	}
	return list, nil
}

// policy is what the header RateLimit-Policy says of windows.
func (list Windows) policy() string {
	parts := make([]string, len(list))
	for i, w := range list {
		parts[i] = fmt.Sprintf("%q;q=%d;w=%d", w.name(), w.Limit, seconds(w.Period))
	}
	return strings.Join(parts, ", ")
}

// name is what the headers call a window.
func (w Window) name() string {
	switch w.Period {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	default:
		return "day"
	}
}

// seconds rounds up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// Command abuse attacks a program of Mesa in each of the ways that the tests name, while somebody works beside it, and prints what that
// did to the two:
//
//	make bench-abuse
//	go run ./internal/bench/abuse -binary ./bin/mesa -seconds 6 -only sign-in
//
// The program is a process of its own with the demo institution and no cache, on SQLite, started anew for each attack; -binary may be an
// older one, to compare with. Attackers come from another address than whoever works, and share the machine with the program.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	pace      = 100 * time.Millisecond // between two requests of whoever works
	calm      = 2 * time.Second        // how long they work before the attack
	worker    = "mesa1@"               // whose sign-in they use
	attacker  = "jefe.mesa@"
	attackers = 8 // connections on which an attack by requests is made
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	binary := flag.String("binary", "bin/mesa", "program to attack")
	seconds := flag.Float64("seconds", 6, "how long each attack lasts")
	only := flag.String("only", "", "only attacks that have this in their name")
	flag.Parse()
	if err := run(ctx, *binary, time.Duration(*seconds*float64(time.Second)), *only); err != nil {
		fmt.Fprintln(os.Stderr, "abuse:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, lasting time.Duration, only string) error {
	folder, err := os.MkdirTemp("", "mesa-abuse-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	seeded, err := start(ctx, binary, folder)
	if err != nil {
		return err
	}
	seeded.stop()
	fmt.Println("| attack | per second | what they are told | who works: p50 ms before | p50 | worst | failed | MB before | at most |")
	fmt.Println("|---|--:|---|--:|--:|--:|--:|--:|--:|")
	for _, a := range attacks {
		if !strings.Contains(a.name, only) {
			continue
		}
		if err := measure(ctx, binary, folder, a, lasting); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

// measure attacks a fresh process once and prints a row.
func measure(ctx context.Context, binary, folder string, a attack, lasting time.Duration) error {
	v, err := start(ctx, binary, folder)
	if err != nil {
		return err
	}
	defer v.stop()
	token, err := v.signIn(ctx, worker)
	if err != nil {
		return err
	}
	foe := v.from("127.0.0.2")
	if a.signedIn {
		if foe.token, err = v.signIn(ctx, attacker); err != nil {
			return err
		}
	}
	before, _ := v.work(ctx, token, calm)
	rest := v.memory("VmRSS")
	under, cancel := context.WithTimeout(ctx, lasting)
	defer cancel()
	heard := &told{}
	var attack sync.WaitGroup
	attack.Go(func() { a.run(under, foe, heard) })
	during, failed := v.work(under, token, lasting)
	most := v.memory("VmHWM")
	cancel()
	attack.Wait()
	if len(before) == 0 {
		return errors.New("the program does not answer before the attack")
	}
	worst := "none answered"
	if len(during) > 0 {
		worst = fmt.Sprintf("%.1f | %.0f", millis(median(during)), millis(slices.Max(during)))
	} else {
		worst += " |"
	}
	fmt.Printf("| %s | %.0f | %s | %.1f | %s | %d of %d | %d | %d |\n", a.name, float64(heard.total())/lasting.Seconds(), heard, millis(median(before)),
		worst, failed, failed+len(during), rest, most)
	return nil
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// work asks for lists at a pace; it gives how long the answers took, and how many did not come or were errors.
func (v *victim) work(ctx context.Context, token string, lasting time.Duration) (took []time.Duration, failed int) {
	someone := v.from("127.0.0.1")
	someone.token = token
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for end := time.Now().Add(lasting); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return took, failed
		case <-ticks.C:
		}
		body := query(fmt.Sprintf("{ documents(first: %d) { nodes { id fileNumber subject state currentArea { name } } } }", 15+rand.IntN(10)))
		began := time.Now()
		waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		_, answer, err := someone.post(waiting, body)
		cancel()
		if err != nil || strings.Contains(answer, `"errors"`) {
			failed++
			continue
		}
		took = append(took, time.Since(began))
	}
	return took, failed
}

// told counts what attackers are told.
type told struct {
	mu     sync.Mutex
	counts map[string]int
}

func (t *told) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[what]++
}

func (t *told) total() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.counts {
		n += c
	}
	return n
}

// String is what was told most often, and what else.
func (t *told) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for what := range t.counts {
		list = append(list, what)
	}
	slices.SortFunc(list, func(a, b string) int { return t.counts[b] - t.counts[a] })
	for i, what := range list {
		list[i] = fmt.Sprintf("%s (%d)", what, t.counts[what])
	}
	return strings.Join(list[:min(3, len(list))], ", ")
}

// query is the body of a request.
func query(text string) string {
	body, _ := json.Marshal(map[string]string{"query": text}) // a text
	return string(body)
}

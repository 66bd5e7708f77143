package cache_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/mesa"
)

// Any code can keep what is expensive to find out: it says what it was made from, and it is made anew once that has changed.
func Example() {
	c, err := cache.New(cache.Options{}) // Options{Redis: "redis://…"} shares it with other processes
	if err != nil {
		panic(err)
	}
	defer c.Close()
	lengths := cache.Kind[int]{
		Name: "length-of-route", Reach: mesa.ForScope,
		Encode: func(n int) ([]byte, error) { return []byte(strconv.Itoa(n)), nil },
		Decode: func(b []byte) (int, error) { return strconv.Atoi(string(b)) },
	}
	legs := 3
	length := func() int {
		n, err := lengths.GetOrLoad(context.Background(), c, "doc_1", cache.Warm, func(ctx context.Context) (int, error) {
			mesa.Saw(ctx, mesa.DocumentTag("doc_1"))
			fmt.Println("counting")
			return legs, nil
		})
		if err != nil {
			panic(err)
		}
		return n
	}
	fmt.Println(length(), length())
	legs++
	c.Move([]mesa.Tag{mesa.DocumentTag("doc_1")}, nil) // in Mesa whoever commits does this
	fmt.Println(length())
	// Output:
	// counting
	// 3 3
	// counting
	// 4
}

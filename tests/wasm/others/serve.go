// SPDX-License-Identifier: BSD-3-Clause

// Go's net/http as a guest: it serves at the listener that is descriptor 3, each
// request in a goroutine of its own. Requests for /slow wait for each other.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
)

func main() {
	var all sync.WaitGroup

	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		fmt.Println("go:", err)
		os.Exit(1)
	}
	all.Add(2)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "go has %s\n", r.URL.Path)
	})
	http.HandleFunc("/both", func(w http.ResponseWriter, r *http.Request) {
		all.Done()
		all.Wait()
		fmt.Fprintln(w, "go has both")
	})
	fmt.Println(http.Serve(listener, nil))
}

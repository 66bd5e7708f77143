package graph

import "time"

func init() { socketWriteTimeout = 3 * time.Second } // so that tests of slow readers are not slow, and a busy machine is no slow reader

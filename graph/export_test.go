package graph

import "time"

func init() { socketWriteTimeout = time.Second } // so that tests of slow readers are not slow

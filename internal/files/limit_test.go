package files

import (
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
)

// S3 would take the parts that it knows and forget the rest.
func TestMoreThanS3TakesIsAnError(t *testing.T) {
	t.Parallel()
	w := &s3Writer{writing: newWriting(t.Context(), ""), store: &s3{}, upload: "begun", parts: make([]minio.CompletePart, maxParts)}
	if err := w.send(); err == nil || !strings.Contains(err.Error(), "more than 78 GiB") {
		t.Errorf("part %d: %v", maxParts+1, err)
	}
}

package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Config says where an S3-compatible store is. It prints without its secret.
type S3Config struct {
	Endpoint string // host or host:port
	Plain    bool   // HTTP instead of HTTPS: on a private network or in tests
	Region   string // "" is us-east-1, which stores other than Amazon's usually accept
	Bucket   string // must exist
	Prefix   string // goes before every key, with a "/" in between; "" for none

	AccessKey, SecretKey string
}

// String is the setting without access key and secret.
func (c S3Config) String() string {
	return fmt.Sprintf("s3://%s/%s/%s", c.Endpoint, c.Bucket, c.Prefix)
}

// Format prints String for every verb.
func (c S3Config) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue is String.
func (c S3Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// parseS3 reads an s3:// setting. What is wrong is said without showing it.
func parseS3(setting string) (c S3Config, err error) {
	u, err := url.Parse(setting)
	if err != nil || u.Scheme != "s3" || u.User == nil {
		return c, errors.New("the setting for files is not of the form s3://ACCESS:SECRET@host:port/bucket/prefix (a / + or @ of the secret is written %2F, %2B, %40)")
	}
	c.Endpoint, c.AccessKey, c.Region = u.Host, u.User.Username(), "us-east-1"
	c.SecretKey, _ = u.User.Password()
	c.Bucket, c.Prefix, _ = strings.Cut(strings.Trim(u.Path, "/"), "/")
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return c, errors.New("the setting for files ends in something that is not ?region=…&tls=…")
	}
	for name, values := range query {
		switch value := values[len(values)-1]; name {
		case "region":
			c.Region = value
		case "tls":
			tls, err := strconv.ParseBool(value)
			if err != nil {
				return c, errors.New("tls in the setting for files is neither true nor false")
			}
			c.Plain = !tls
		default:
			return c, fmt.Errorf("the setting for files has a parameter %q; there are region and tls", name)
		}
	}
	return c, nil
}

// What is uploaded at once, and kept in memory for each Writer. S3 wants at least 5 MiB and at most 10,000 parts; so a file has at most
// 78 GiB.
const (
	partSize = 8 << 20
	maxParts = 10_000
)

// An upload that was begun so long ago counts as left behind.
const uploadAbandoned = 24 * time.Hour

// Requests are repeated when the store does not answer or asks for patience; five attempts take some two seconds.
const attempts = 5

// S3 keeps files in an S3-compatible store. Nothing is asked of it yet.
func S3(config S3Config) (Store, error) {
	if config.Region == "" {
		config.Region = "us-east-1" // asking the store for it would need one more permission
	}
	if config.Bucket == "" || config.AccessKey == "" || config.SecretKey == "" {
		return nil, errors.New("S3 for files needs a bucket, an access key and a secret")
	}
	if config.Prefix != "" {
		if err := checkKey(config.Prefix); err != nil {
			return nil, fmt.Errorf("prefix of S3: %w", err)
		}
		config.Prefix += "/"
	}
	core, err := minio.NewCore(config.Endpoint, &minio.Options{
		Creds:      credentials.NewStaticV4(config.AccessKey, config.SecretKey, ""),
		Secure:     !config.Plain,
		Region:     config.Region,
		MaxRetries: attempts,
	})
	if err != nil {
		return nil, fmt.Errorf("S3 for files: %w", err)
	}
	return &s3{core: core, bucket: config.Bucket, prefix: config.Prefix}, nil
}

var _ Store = (*s3)(nil)

type s3 struct {
	core   *minio.Core
	bucket string
	prefix string // "" or ends in "/"
}

func (s *s3) Create(ctx context.Context, key string) (Writer, error) {
	if err := may(ctx, key); err != nil {
		return nil, err
	}
	return &s3Writer{writing: newWriting(ctx, key), store: s}, nil
}

// s3Writer collects a part and sends it when it is full, while Write waits. What fits into one part is sent whole by Commit.
type s3Writer struct {
	writing
	store  *s3
	part   bytes.Buffer
	upload string // "" until the first part is sent
	parts  []minio.CompletePart
	ended  bool
}

func (w *s3Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.isOn() {
		if w.part.Len() == partSize { // sent only when more comes, so that a file of one part needs no upload in parts
			w.failed = w.send()
			continue
		}
		fits := min(len(p), partSize-w.part.Len())
		w.part.Write(p[:fits])
		w.took(p[:fits])
		n += fits
		p = p[fits:]
	}
	return n, w.wrap(w.failed)
}

// send uploads the collected part.
func (w *s3Writer) send() (err error) {
	if w.upload == "" {
		w.upload, err = w.store.core.NewMultipartUpload(w.ctx, w.store.bucket, w.store.prefix+w.key, minio.PutObjectOptions{})
		if err != nil {
			return err
		}
	}
	number := len(w.parts) + 1
	if number > maxParts {
		return fmt.Errorf("more than %d GiB", maxParts*partSize>>30)
	}
	sent, err := w.store.core.PutObjectPart(w.ctx, w.store.bucket, w.store.prefix+w.key, w.upload, number,
		bytes.NewReader(w.part.Bytes()), int64(w.part.Len()), minio.PutObjectPartOptions{Sha256Hex: w.sum()})
	if err != nil {
		return err
	}
	w.parts = append(w.parts, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
	w.part.Reset()
	return nil
}

// sum is signed with the request: the store refuses content that has changed on its way.
func (w *s3Writer) sum() string {
	sum := sha256.Sum256(w.part.Bytes())
	return hex.EncodeToString(sum[:])
}

func (w *s3Writer) Commit() (size int64, sha256hex string, err error) {
	return w.commit(w.publish, w.end, w.Abort)
}

func (w *s3Writer) publish() error {
	if w.upload == "" {
		_, err := w.store.core.PutObject(w.ctx, w.store.bucket, w.store.prefix+w.key,
			bytes.NewReader(w.part.Bytes()), int64(w.part.Len()), "", w.sum(), minio.PutObjectOptions{})
		return err
	}
	if err := w.send(); err != nil {
		return err
	}
	_, err := w.store.core.CompleteMultipartUpload(w.ctx, w.store.bucket, w.store.prefix+w.key, w.upload, w.parts, minio.PutObjectOptions{})
	return err
}

// Abort takes back the parts that were sent, or else they would be paid for until a List. The context may be what has ended.
func (w *s3Writer) Abort() {
	if w.ended {
		return
	}
	if w.upload != "" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), 10*time.Second)
		defer cancel()
		w.store.core.AbortMultipartUpload(ctx, w.store.bucket, w.store.prefix+w.key, w.upload)
	}
	w.end()
}

func (w *s3Writer) end() {
	w.ended = true
	w.part = bytes.Buffer{}
	w.close()
}

func (s *s3) Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error) {
	if err := may(ctx, key); err != nil {
		return nil, Info{}, err
	}
	body, object, _, err := s.core.GetObject(ctx, s.bucket, s.prefix+key, minio.GetObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, Info{}, fmt.Errorf("open file %s: %w", key, err)
	}
	return &s3Reader{ctx: ctx, store: s, key: key, etag: object.ETag, size: object.Size, body: body},
		Info{Key: key, Size: object.Size, ModTime: object.LastModified}, nil
}

// s3Reader reads an object from where the last Seek went. It asks the store again only when reading goes on elsewhere, so that finding
// out the size (Seek to the end and back) costs nothing.
type s3Reader struct {
	ctx    context.Context
	store  *s3
	key    string
	etag   string // of what was opened: something else written under the key since is an error
	size   int64
	offset int64 // where the next Read is
	body   io.ReadCloser
	at     int64 // where body is
}

func (r *s3Reader) Read(p []byte) (int, error) {
	if r.offset >= r.size {
		return 0, io.EOF
	}
	if r.body == nil || r.at != r.offset {
		if err := r.ask(); err != nil {
			return 0, fmt.Errorf("read file %s: %w", r.key, err)
		}
	}
	n, err := r.body.Read(p)
	r.at += int64(n)
	r.offset = r.at
	switch {
	case err == io.EOF && r.offset < r.size:
		err = io.ErrUnexpectedEOF
	case err == io.EOF && n > 0:
		err = nil
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read file %s: %w", r.key, err)
	}
	return n, err
}

func (r *s3Reader) ask() error {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
	var opts minio.GetObjectOptions
	if err := opts.SetMatchETag(r.etag); err != nil {
		return err
	}
	if r.offset > 0 {
		opts.Set("Range", fmt.Sprintf("bytes=%d-", r.offset))
	}
	body, _, header, err := r.store.core.GetObject(r.ctx, r.store.bucket, r.store.prefix+r.key, opts)
	if err != nil {
		return err
	}
	if r.offset > 0 && header.Get("Content-Range") == "" {
		body.Close()
		return errors.New("the store does not answer ranges")
	}
	r.body, r.at = body, r.offset
	return nil
}

func (r *s3Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 || whence < io.SeekStart || whence > io.SeekEnd {
		return 0, fmt.Errorf("seek in file %s: %w", r.key, fs.ErrInvalid)
	}
	r.offset = offset
	return offset, nil
}

func (r *s3Reader) Close() error {
	r.size = 0
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

func (s *s3) Remove(ctx context.Context, key string) error {
	if err := may(ctx, key); err != nil {
		return err
	}
	err := s.core.RemoveObject(ctx, s.bucket, s.prefix+key, minio.RemoveObjectOptions{})
	if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchKey {
		return fmt.Errorf("remove file %s: %w", key, err)
	}
	return nil
}

func (s *s3) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := checkPrefix(prefix)
		if err == nil {
			err = s.sweep(ctx, prefix)
		}
		if err != nil {
			yield(Info{}, fmt.Errorf("list files: %w", err))
			return
		}
		for object := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}) {
			if object.Err != nil {
				yield(Info{}, fmt.Errorf("list files: %w", object.Err))
				return
			}
			key := strings.TrimPrefix(object.Key, s.prefix)
			if checkKey(key) == nil && !yield(Info{Key: key, Size: object.Size, ModTime: object.LastModified}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil { // the loop above may just end
			yield(Info{}, fmt.Errorf("list files: %w", err))
		}
	}
}

// sweep takes back the parts of uploads that were begun long ago.
func (s *s3) sweep(ctx context.Context, prefix string) error {
	ctx, cancel := context.WithCancel(ctx) // ends the goroutine that lists, however this ends
	defer cancel()
	for upload := range s.core.ListIncompleteUploads(ctx, s.bucket, s.prefix+prefix, true) {
		if upload.Err != nil {
			return upload.Err
		}
		if time.Since(upload.Initiated) < uploadAbandoned {
			continue
		}
		err := s.core.AbortMultipartUpload(ctx, s.bucket, upload.Key, upload.UploadID)
		if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchUpload {
			return err
		}
	}
	return nil
}

// Check begins an upload and takes it back: that needs the permission to write, and leaves no version behind in a bucket that keeps
// them, as a small file would.
func (s *s3) Check(ctx context.Context) error {
	upload, err := s.core.NewMultipartUpload(ctx, s.bucket, s.prefix+"check", minio.PutObjectOptions{})
	if err == nil {
		err = s.core.AbortMultipartUpload(ctx, s.bucket, s.prefix+"check", upload)
	}
	if err != nil {
		return fmt.Errorf("S3 store of files is not writable: %w", err)
	}
	return nil
}

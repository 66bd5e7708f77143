package graph

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Media types of answers.
const (
	plainJSON    = "application/json"
	responseJSON = "application/graphql-response+json"
	eventStream  = "text/event-stream"
)

// offered are the media types of answers, the one for a client without a wish first.
var offered = []string{plainJSON, responseJSON, eventStream}

// accepted are the media types that a client takes, the preferred one first; none when it takes nothing that is offered. Weights count
// before the order in which the client lists them, and the narrower range before the wider one. Nobody gets a stream who did not name it.
func accepted(header http.Header) []string {
	text := strings.Join(header.Values("Accept"), ",")
	if strings.TrimSpace(text) == "" {
		return []string{plainJSON, responseJSON}
	}
	ranges := rangesOf(text)
	wishes := make([]mediaRange, 0, len(offered))
	for _, media := range offered {
		if wish := narrowest(ranges, media); wish.weight > 0 {
			wish.media = media
			wishes = append(wishes, wish)
		}
	}
	slices.SortStableFunc(wishes, func(a, b mediaRange) int {
		switch {
		case a.weight > b.weight, a.weight == b.weight && a.place < b.place:
			return -1
		case a.weight == b.weight && a.place == b.place:
			return 0
		}
		return 1
	})
	list := make([]string, len(wishes))
	for i, wish := range wishes {
		list[i] = wish.media
	}
	return list
}

// mediaRange is a part of an Accept header.
type mediaRange struct {
	media  string
	weight float64
	place  int
}

// rangesOf reads an Accept header. What is not well-formed is as if it were not there.
func rangesOf(text string) (list []mediaRange) {
	for i, part := range strings.Split(text, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		one := mediaRange{media: media, weight: 1, place: i}
		if q, given := params["q"]; given {
			if one.weight, err = strconv.ParseFloat(q, 64); err != nil || one.weight < 0 || one.weight > 1 {
				continue
			}
		}
		if charset, given := params["charset"]; !given || isUTF8(charset) {
			list = append(list, one)
		}
	}
	return list
}

// narrowest is the range that speaks of a media type most precisely; its weight is 0 when there is none.
func narrowest(ranges []mediaRange, media string) mediaRange {
	names := []string{media}
	if media != eventStream {
		names = []string{media, "application/*", "*/*"}
	}
	for _, name := range names {
		if i := slices.IndexFunc(ranges, func(r mediaRange) bool { return r.media == name }); i >= 0 {
			return ranges[i]
		}
	}
	return mediaRange{}
}

// isJSON says whether the body of a request is JSON in UTF-8, going by what its headers say.
func isJSON(header http.Header) bool {
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset, given := params["charset"]
	encoding := header.Get("Content-Encoding")
	return err == nil && media == plainJSON && (!given || isUTF8(charset)) && (encoding == "" || encoding == "identity")
}

func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8") || strings.EqualFold(charset, "us-ascii")
}

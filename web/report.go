package web

import (
	"mime"
	"net/http"
	"time"

	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/mesa"
)

// report hands out the file of a report to whoever has a link to it (see ReportRun.downloadUrl). Each GET is recorded, of a part as well: whoever
// leaves out the first byte has the file.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	d, err := s.Resolver.OpenReport(r.Context(), mesa.ReportID(r.PathValue("id")), r.URL.Query())
	switch {
	case mesa.CodeOf(err) == mesa.NotFound:
		refuse(w, http.StatusNotFound, mesa.NotFound, "No se encontró lo solicitado.")
		return
	case err != nil:
		s.Log.ErrorContext(r.Context(), "report not handed out", "error", err)
		refuse(w, http.StatusInternalServerError, mesa.Internal, "El archivo no está disponible; vuelva a pedir el reporte.")
		return
	}
	defer d.Content.Close()
	if r.Method == http.MethodGet {
		d.By.Origin = origin(w, r, s.sender(r))
		if err := s.Resolver.Desk.ReportDownloaded(r.Context(), d.By, d.Run.ID); err != nil {
			s.Log.ErrorContext(r.Context(), "download not recorded", "error", err)
			refuse(w, http.StatusInternalServerError, mesa.Internal, "El archivo no está disponible; vuelva a pedir el reporte.")
			return
		}
	}
	h.Set("Content-Type", sheet.Format(d.Run.Format).MediaType())
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": string(d.Run.FileName)}))
	h.Set("ETag", `"`+string(d.Run.SHA256)+`"`)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	http.ServeContent(s.impatient(w), r, "", time.Time{}, d.Content)
}

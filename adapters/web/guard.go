package web

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// tokenHeader carries the token of the link. A page of another origin cannot
// send it: the browser asks first, by OPTIONS, and gets no leave.
const tokenHeader = "X-Hosterbot-Token"

// policyHeader lets the page load its own files and talk to its own
// server, and nothing else.
const policyHeader = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

// ServeHTTP implements http.Handler. Whoever does not speak to a loopback name
// is turned away before all else: a name that an attacker points at loopback
// (DNS rebinding) is none.
func (w *Web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.serving.Add(1)
	defer w.serving.Done()
	h := rw.Header()
	h.Set("Content-Security-Policy", policyHeader)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Cache-Control", "no-store")
	if !loopback(r.Host) {
		http.Error(rw, "This address is not served here: open the link that hosterbot demo printed.", http.StatusMisdirectedRequest)
		return
	}
	w.mux.ServeHTTP(rw, r)
}

// loopback tells whether a Host header names this machine by its loopback.
func loopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if name == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && addr.IsLoopback()
}

// guarded lets a request in that carries the token and comes from the page
// itself. Anything in doubt is refused.
func (w *Web) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(w.token)) != 1 {
			fail(rw, errToken)
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
			fail(rw, errOrigin)
			return
		}
		origin := r.Header.Get("Origin")
		if origin != "" && origin != "http://"+r.Host || origin == "" && r.Method != http.MethodGet {
			fail(rw, errOrigin)
			return
		}
		next(rw, r)
	}
}

var (
	errToken  = refused(http.StatusUnauthorized, "This page is of another demo. Open the link that hosterbot demo has printed.")
	errOrigin = refused(http.StatusForbidden, "This request comes from another page.")
)

// fail answers with why something is not done.
func fail(rw http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if own, ok := errors.AsType[*refusal](err); ok {
		status = own.status
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(map[string]string{"error": sentence(err)}) // who asked has gone
}

// sentence is an error as a person reads it.
func sentence(err error) string {
	if own, ok := errors.AsType[*bot.Error](err); ok {
		return strings.TrimSpace(adapters.Printable(own.Text) + " " + adapters.Printable(own.Hint))
	}
	text := adapters.Printable(err.Error())
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// LogFile is a file that is appended to and can be reopened by its name, so
// that it can be rotated without losing a line (--log, --err, SIGUSR1). What
// one Write is given stays whole: it is in the old file or in the new one. It
// is safe for concurrent use.
type LogFile struct {
	path string
	next atomic.Pointer[os.File] // reopened, and not yet in use

	mu   sync.Mutex // held while a Write runs
	file *os.File
}

// OpenFile opens the file at path for appending, and creates it (mode 0644
// before umask) when it is missing.
func OpenFile(path string) (*LogFile, error) {
	f, err := openAppend(path)
	if err != nil {
		return nil, err
	}
	return &LogFile{path: path, file: f}, nil
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// Reopen opens the file of the same name again; what is written from then on
// goes there. When that does not work, the old file stays in use, and the
// error says why. Reopen does not wait for a Write that is held up; such a
// Write ends in the old file.
func (l *LogFile) Reopen() error {
	f, err := openAppend(l.path)
	if err != nil {
		return err
	}
	if unused := l.next.Swap(f); unused != nil {
		_ = unused.Close()
	}
	if l.mu.TryLock() {
		l.use()
		l.mu.Unlock()
	}
	return nil
}

// Write appends p to the file. After an error in the middle (a full disk) what
// was written of p is taken back if that is possible, and the count is 0.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.use()
	return writeWhole(l.file, p)
}

// Close closes the file.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.use()
	return l.file.Close()
}

// use takes the reopened file into use, if there is one. The caller holds l.mu.
func (l *LogFile) use() {
	if f := l.next.Swap(nil); f != nil {
		_ = l.file.Close()
		l.file = f
	}
}

// wholeFile writes to a file as writeWhole does.
type wholeFile struct{ *os.File }

func (f wholeFile) Write(p []byte) (int, error) { return writeWhole(f.File, p) }

// writeWhole writes p to f. When a regular file takes only a part of it, that
// part is cut off again, so that the file always ends in a whole record,
// whatever becomes of it (rotated, emptied, left behind) before there is room.
func writeWhole(f *os.File, p []byte) (int, error) {
	n, err := f.Write(p)
	if err != nil && n > 0 && cut(f, int64(n)) {
		n = 0
	}
	return n, err
}

// cut takes back the last n bytes that were written to f, and reports whether
// it could. It does so only where nobody else has written behind them: at the
// end of a regular file.
func cut(f *os.File, n int64) bool {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	end, err := f.Seek(0, io.SeekCurrent)
	if err != nil || end != info.Size() || end < n {
		return false
	}
	if f.Truncate(end-n) != nil {
		return false
	}
	// Without O_APPEND the next write would leave a hole of NULs here.
	_, err = f.Seek(end-n, io.SeekStart)
	return err == nil
}

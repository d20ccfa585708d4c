// SPDX-License-Identifier: Apache-2.0

package trace

// limit is how many questions a second a router is seen to bear. The zero value
// is one that has never left more than half of its questions unanswered.
type limit struct {
	rate   float64 // questions a second; 0: no limit is known
	tokens float64
	filled int64 // when tokens were counted, mono ns

	// What was asked since began, and what of it was answered.
	began           int64
	asked, answered int
	// fruitless counts the times that asking more seldom brought hardly a larger part
	// of answers than there was before: that is loss, and no limit.
	fruitless int
	before    float64 // the part of the questions that was answered without a limit
	lossy     int64   // until when it is taken for loss, mono ns
}

const (
	// What a judgement takes: enoughAsked questions, or firstAsked where no limit is
	// known, so that chance makes none of a loss of 30 %; and enoughTime, in ns.
	enoughAsked = 8
	firstAsked  = 40
	enoughTime  = int64(250e6)
	// tooFew is the part of answers below which a limit is begun.
	tooFew        = 0.4
	mostFruitless = 3
	// leastRate is how seldom a router is asked at the least.
	leastRate = 0.1
	// mostTokens is how many questions may come at once.
	mostTokens = 2
	// grow is by how much more a router is asked that answers nearly all.
	grow = 1.25
	// unlimited is the rate, in questions a second, above which there is none.
	unlimited = 1000
	// lossFor is how long no limit is looked for where there is loss, in ns.
	lossFor = int64(600e9)
)

// take reports whether the router may be asked at now, and counts it.
func (l *limit) take(now int64) bool {
	if l.rate == 0 {
		return true
	}
	l.tokens = min(mostTokens, l.tokens+l.rate*float64(now-l.filled)/1e9)
	l.filled = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

// count takes the outcome of a question on a path that let others through, and
// judges when there are enough.
func (l *limit) count(answered bool, now int64) {
	if l.asked == 0 {
		l.began = now
	}
	l.asked++
	if answered {
		l.answered++
	}
	if l.asked < enoughAsked || l.rate == 0 && l.asked < firstAsked || now-l.began < enoughTime {
		return
	}
	l.judge(now)
	l.asked, l.answered = 0, 0
}

// left reports whether so much has been left unanswered of late that answers to
// others may stand in for it.
func (l *limit) left() bool {
	return l.rate > 0 || l.asked >= firstAsked && float64(l.answered) < tooFew*float64(l.asked)
}

func (l *limit) judge(now int64) {
	part := float64(l.answered) / float64(l.asked)
	borne := float64(l.answered) * 1e9 / float64(now-l.began)
	switch {
	case now < l.lossy, l.rate == 0 && part >= tooFew:
	case l.rate == 0:
		l.rate, l.before, l.filled = max(leastRate, 0.9*borne), part, now
	case part < 0.5 && part <= 2*l.before && l.fruitless+1 == mostFruitless:
		*l = limit{lossy: now + lossFor}
	case part < 0.5:
		if part <= 2*l.before {
			l.fruitless++
		}
		// What a router had saved up is answered at once, and says more than it bears.
		l.rate = max(leastRate, 0.9*borne, l.rate/4)
	case part > 0.9:
		l.fruitless = 0
		if l.rate *= grow; l.rate > unlimited {
			*l = limit{}
		}
	}
}

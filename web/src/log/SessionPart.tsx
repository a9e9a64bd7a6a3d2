import type { Visit } from '../api/types';
import { plural } from '../text/number';
import { duration, moment } from '../text/time';
import { Copied, Fact, FactList } from './FactList';
import { ORIGINS, sourceText } from './journey';

/** The visit that an event is in, and where it came from. */
export function SessionPart({ visit, zone }: { visit: Visit; zone: string }) {
  const { source } = visit;
  return (
    <FactList>
      <Fact name="Channel">
        <strong>{visit.channel}</strong>
      </Fact>
      <Fact name="Came from">{sourceText(source)}</Fact>
      <Fact name="Campaign">{source.campaign}</Fact>
      <Fact name="Content">{source.content}</Fact>
      <Fact name="Term">{source.term}</Fact>
      <Fact name="Click id">{source.click_id && <span className="mono">{source.click_id}</span>}</Fact>
      <Fact name="Referrer">{source.referrer && <Copied text={source.referrer} what="referrer" />}</Fact>
      <Fact name="Landed on">
        {source.landing_page && <Copied text={source.landing_page} what="landing page" />}
      </Fact>
      <Fact name="Began">{visit.started_at && moment(visit.started_at, zone)}</Fact>
      <Fact name="Lasted">{visit.origin !== 'impression' && lasted(visit)}</Fact>
      <Fact name="Session id">
        <Copied text={visit.id} what="session id" />
      </Fact>
      <Fact name="Origin">{ORIGINS[visit.origin] ?? visit.origin}</Fact>
    </FactList>
  );
}

function lasted(visit: Visit): string {
  const parts = [duration(visit.duration), plural(visit.pageviews, 'pageview')];
  if (visit.interactions > 0) parts.push(plural(visit.interactions, 'interaction'));
  if (visit.bounced) parts.push('bounced');
  return parts.join(' · ');
}

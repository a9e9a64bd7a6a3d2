import { Anchor } from '@mantine/core';
import { IconArrowRight } from '@tabler/icons-react';
import { Link } from 'wouter';
import type { Edge } from '../api/types';
import { kindLabel } from '../kit/kinds';
import { Tag } from '../kit/Tag';
import { moment } from '../text/time';
import classes from './EdgeList.module.css';
import { writeLogAddress } from './filter';
import { EDGE_STATUSES, itemOf, ruleText } from './journey';

/** Which ids are one person, and why. */
export function EdgeList({ edges, zone }: { edges: Edge[]; zone: string }) {
  return (
    <ul className={classes.edges}>
      {edges.map((edge) => (
        <EdgeRow key={edge.id} edge={edge} zone={zone} />
      ))}
    </ul>
  );
}

function EdgeRow({ edge, zone }: { edge: Edge; zone: string }) {
  const status = EDGE_STATUSES[edge.status] ?? { label: edge.status, tone: 'quiet', meaning: '' };
  const said = edge.item ? itemOf(edge.item) : null;
  return (
    <li>
      <div className={classes.ids}>
        <span className={`${classes.id} mono`} title={edge.from}>
          {edge.from}
        </span>
        <span className={classes.other}>
          <IconArrowRight size={14} role="img" aria-label="is the same person as" />
          <span className={`${classes.id} mono`} title={edge.to}>
            {edge.to}
          </span>
        </span>
      </div>
      <Tag tone={status.tone} title={status.meaning}>
        {status.label}
      </Tag>
      <p className={classes.reason}>
        {ruleText(edge)}
        {edge.at && ` · ${moment(edge.at, zone)}`}
        {said && (
          <>
            {' · '}
            <Anchor inherit component={Link} href={`/log?${writeLogAddress(said, '')}`}>
              {kindLabel(said.kind)}
            </Anchor>
          </>
        )}
      </p>
      {edge.status !== 'joined' && <p className={classes.reason}>{status.meaning}</p>}
    </li>
  );
}

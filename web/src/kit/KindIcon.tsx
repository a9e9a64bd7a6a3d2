import {
  IconBolt,
  IconBoxSeam,
  IconBuilding,
  IconDeviceLaptop,
  IconEye,
  IconFileText,
  IconGitMerge,
  IconLink,
  IconMail,
  IconMailCheck,
  IconQuestionMark,
  IconShoppingBag,
  IconShoppingCart,
  IconTimeline,
  IconUnlink,
  IconUser,
} from '@tabler/icons-react';
import classes from './KindIcon.module.css';
import { kindLabel } from './kinds';

const ICONS: Record<string, { Icon: typeof IconBolt; hue: string }> = {
  pageview: { Icon: IconFileText, hue: 'water' },
  custom_event: { Icon: IconBolt, hue: 'violet' },
  user: { Icon: IconUser, hue: 'green' },
  user_alias: { Icon: IconLink, hue: 'green' },
  session: { Icon: IconTimeline, hue: 'grey' },
  device: { Icon: IconDeviceLaptop, hue: 'grey' },
  order: { Icon: IconShoppingBag, hue: 'amber' },
  cart: { Icon: IconShoppingCart, hue: 'amber' },
  postview: { Icon: IconEye, hue: 'water' },
  group: { Icon: IconBuilding, hue: 'green' },
  subscription_list_user: { Icon: IconMailCheck, hue: 'green' },
  message: { Icon: IconMail, hue: 'violet' },
  identity_merge: { Icon: IconGitMerge, hue: 'green' },
  identity_retract: { Icon: IconUnlink, hue: 'green' },
};

/** A kind's sign: the same shape and colour wherever items are listed. */
export function KindIcon({ kind }: { kind: string | undefined }) {
  const known = ICONS[kind ?? ''];
  const Icon = known?.Icon ?? (kind?.startsWith('app_') ? IconBoxSeam : IconQuestionMark);
  return (
    <span
      className={classes.icon}
      data-hue={known?.hue ?? 'grey'}
      role="img"
      aria-label={kindLabel(kind ?? 'unknown')}
      title={kindLabel(kind ?? 'unknown')}
    >
      <Icon size={14} stroke={1.9} aria-hidden />
    </span>
  );
}

import { IconActivity, IconChartLine, IconListDetails, IconSettings } from '@tabler/icons-react';
import { Link, useLocation } from 'wouter';
import classes from './Navigation.module.css';

const PLACES = [
  { name: 'Home', path: '/', Icon: IconActivity },
  { name: 'Insights', path: '/insights', Icon: IconChartLine },
  { name: 'Log', path: '/log', Icon: IconListDetails },
  { name: 'Settings', path: '/settings', Icon: IconSettings },
];

/** The main navigation: a column beside the page, or on a phone a bar beneath it. */
export function Navigation() {
  const [location] = useLocation();
  return (
    <nav aria-label="Main" className={classes.navigation}>
      <ul>
        {PLACES.map(({ name, path, Icon }) => {
          const here = path === '/' ? location === '/' : location.startsWith(path);
          return (
            <li key={path}>
              <Link href={path} className={classes.link} aria-current={here ? 'page' : undefined}>
                <Icon size={20} stroke={1.7} aria-hidden />
                <span>{name}</span>
              </Link>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
